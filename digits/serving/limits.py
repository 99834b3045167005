"""How much the service takes on, from one request and from all together."""

from __future__ import annotations

MAX_BYTES = 10_000_000
"""Of a body. What is larger is refused; up to five times as much is still received, so that the client hears why."""
BODY_SECONDS = 20.0
"""A body that has not arrived by then is refused."""
BODIES_BYTES = 250_000_000
"""Of all bodies in memory. Where there is no more room, the one that has been arriving for the longest is given up."""
MOST_WAITING = 500
"""Pictures that have arrived and wait to be read, or are read; more are told to come again."""

HEAD_SECONDS = 10.0
"""A connection on which no whole request head has arrived by then is closed."""
IDLE_SECONDS = 5
"""A connection is kept for another request so long."""
ANSWER_SECONDS = 90.0
"""A connection on which a request has not been answered, and its answer taken, by then is cut."""
HEAD_BYTES = 16_384
"""Of a request line and its headers."""
MOST_CONNECTIONS = 1000
"""Open at once; a new one takes the place of the one that has waited longest for its client."""
ACCEPTED_AT_ONCE = 256
"""Connections that are taken before those that already are get their turn."""
SPARE_FILES = ACCEPTED_AT_ONCE + 64
"""Open files that are not connections, and connections that are about to be closed. Where the system allows fewer files
than these and MOST_CONNECTIONS, there are fewer connections."""

QUICK_SECONDS = 0.1
"""Of the processor. A picture that takes more makes room for those that wait, and is read on more slowly."""
CPU_SECONDS = 10
"""Processor time for one picture; then its reader is ended, and the picture refused."""
READING_SECONDS = 30.0
"""A picture waits and is read for at most so long; then its client is told to come again."""
READER_BYTES = 1_000_000_000
"""Memory that one reader takes at most, beyond what it shares with the others."""
