import signal
import subprocess
import sys
import time

import httpx
import pytest


@pytest.fixture(scope="session")
def serve(tmp_path_factory):
    """Start ``serve`` with these options; returns the process, its address and the file of its log."""
    started = []

    def start(*options):
        command = [sys.executable, "-m", "digits", "serve", "--port", "0", *map(str, options)]
        log = (
            tmp_path_factory.mktemp("serve") / "log"
        )  # a pipe that nobody reads would stop the service when it is full
        with log.open("w") as file:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=file, text=True)
        started.append(process)
        line = process.stdout.readline()
        assert line, log.read_text()
        url = line.split()[0]
        deadline = time.monotonic() + 60
        while True:
            try:
                httpx.get(f"{url}/health")
                return process, url, log
            except httpx.TransportError:
                assert time.monotonic() < deadline
                time.sleep(0.1)

    yield start
    for process in started:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.communicate()


@pytest.fixture(scope="session")
def service(serve):
    """A service that runs for all tests: its process, its address and the file of its log."""
    return serve()
