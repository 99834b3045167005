"""The processes of a service."""

from pathlib import Path


def readers_of(service):
    """The processes that read: children of the one that they are forked from, which is the service's child."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    return [number for number, parent in parents.items() if parents.get(parent) == service.pid]
