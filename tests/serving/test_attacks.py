"""The running service, and what hostile clients do to it."""

import http.client
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import attacks
import httpx
import pytest
from PIL import Image, ImageDraw, ImageFont

from tests.serving.processes import readers_of

SECURE = ("content-security-policy", "x-content-type-options", "referrer-policy", "cross-origin-resource-policy")


@pytest.fixture
def client(service):
    with httpx.Client(base_url=service[1], timeout=60) as client:
        yield client


@pytest.fixture(scope="session")
def seven():
    """A PNG of a 7, as a font draws it."""
    picture = Image.new("L", (160, 160), 250)
    ImageDraw.Draw(picture).text((50, 30), "7", fill=20, font=ImageFont.load_default(size=80))
    return attacks.saved(picture, "PNG")


def _address(url):
    return url.removeprefix("http://").split(":")[0], int(url.rpartition(":")[2])


def _speak(url, request):
    """Send bytes; all that comes back until the service closes the connection."""
    with socket.create_connection(_address(url), timeout=30) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65536), b""))


@contextmanager
def _health_watched(client):
    """How many seconds each request to /health took meanwhile."""
    seconds, is_over = [], threading.Event()

    def watch():
        with httpx.Client(base_url=client.base_url, timeout=60) as other:
            while not is_over.wait(0.02):
                start = time.perf_counter()
                assert other.get("/health").status_code == 200
                seconds.append(time.perf_counter() - start)

    with ThreadPoolExecutor(1) as pool:
        watching = pool.submit(watch)
        yield seconds
        is_over.set()
        watching.result()


def test_answers_do_not_wait_for_the_clients_acknowledgement(service):
    connection, seconds = http.client.HTTPConnection(*_address(service[1])), []
    for _ in range(40):
        start = time.perf_counter()
        connection.request("GET", "/health")
        connection.getresponse().read()
        seconds.append(time.perf_counter() - start)
    connection.close()
    assert min(seconds[10:]) < 0.03  # with Nagle's algorithm each takes more than 40 ms


def test_costly_pictures_delay_neither_health_nor_other_pictures(client, seven):
    costly = attacks.flat_ellipses(100)
    with ThreadPoolExecutor() as pool, _health_watched(client) as seconds:
        url = f"{client.base_url}/v1/recognize"
        answers = [pool.submit(httpx.post, url, content=costly, timeout=60) for _ in range(4)]
        time.sleep(0.5)
        assert not any(answer.done() for answer in answers)
        assert client.post("/v1/recognize", content=seven).json()["text"] == ["7"]
        assert not all(answer.done() for answer in answers)
        assert {answer.result().status_code for answer in answers} <= {200, 422, 503}
    assert sorted(seconds)[len(seconds) // 2] < 0.1


def test_form_of_many_fields_is_not_parsed_to_its_end(client):
    content_type, body = attacks.form_of_fields()
    with ThreadPoolExecutor() as pool, _health_watched(client) as seconds:
        send = {"content": body, "headers": {"Content-Type": content_type}, "timeout": 60}
        answers = [pool.submit(httpx.post, f"{client.base_url}/v1/recognize", **send) for _ in range(5)]
        for answer in answers:
            assert answer.result().status_code == 422
            assert "more than 20 fields" in answer.result().json()["error"]
    assert sorted(seconds)[len(seconds) // 2] < 0.1


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGXCPU])
def test_reader_that_dies_fails_its_picture_alone(service, client, seven, number):
    """SIGXCPU is what the system ends one by that takes too long."""
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(client.post, "/v1/recognize", content=attacks.flat_ellipses())
        time.sleep(0.5)
        for reader in readers_of(service[0]):
            os.kill(reader, number)
        assert answer.result().status_code == (422 if number == signal.SIGXCPU else 500)
        assert answer.result().headers["content-type"] == "application/json"
        words = "takes more than 10 seconds" if number == signal.SIGXCPU else f"ended by {number.name}"
        assert words in answer.result().json()["error"]
        assert all(name in answer.result().headers for name in SECURE)
    for _ in range(4):
        assert client.post("/v1/recognize", content=seven).json()["text"] == ["7"]


@pytest.mark.parametrize(
    ("read", "outcome"),
    [
        ("exec('while True: pass')", "ended by SIGXCPU"),
        ("bytearray(400_000_000)", "the picture takes too much memory to read; send a smaller one"),
        ("float('nan')", "the server failed; its log says why"),
        ("open('/nowhere')", "the server failed; its log says why"),
    ],
)
def test_limits_of_a_reader(read, outcome):
    """The process that reads, around a recognizer that takes too much."""
    program = f"""
import json, os, signal, socket, sys, types
from digits.serving import limits
limits.CPU_SECONDS, limits.READER_BYTES = 0.5, 200_000_000
class Page:
    lines = []
    def as_json(self, *_, **__): return {{"text": {read}}}
class Recognizer:
    def read(self, *_): return Page()
sys.modules["digits.serving.network"] = types.SimpleNamespace(PROBLEM="", RECOGNIZER=Recognizer())
from digits.serving.reader import LENGTHS, serve_pictures
mine, its = socket.socketpair()
child = os.fork()
if not child:
    mine.close()
    serve_pictures(its)
    os._exit(0)
its.close()
request = json.dumps({{"type": "image/png", "layout": "auto", "probabilities": False}}).encode()
stream = mine.makefile("rwb")
def answer():
    head = stream.read(LENGTHS.size)
    return [stream.read(length) for length in LENGTHS.unpack(head)] if head else None
assert answer() == [b'{{"problem": ""}}', b""]
stream.write(LENGTHS.pack(len(request), 3) + request + b"abc")
stream.flush()
said = answer()
if said is None:
    print("ended by", signal.Signals(os.waitpid(child, 0)[1]).name)
else:
    print(json.loads(said[1])["error"])
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert result.stdout.strip() == outcome, result.stderr


def test_idle_connections_beyond_the_files_that_may_be_open(serve, seven, monkeypatch):
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)
    started = subprocess.Popen

    def popen(*arguments, **options):
        limit = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (200, 500))  # noqa: E731
        return started(*arguments, **options, preexec_fn=limit)

    monkeypatch.setattr(subprocess, "Popen", popen)
    _, url, log = serve()
    assert allowed[0] > 1000, "the test itself needs open files"
    idle = [socket.create_connection(_address(url)) for _ in range(900)]
    time.sleep(1)
    assert httpx.post(f"{url}/v1/recognize", content=seven, timeout=60).json()["text"] == ["7"]
    assert "Traceback" not in log.read_text()
    assert len(log.read_text().splitlines()) < 20
    for connection in idle:
        connection.close()


@pytest.mark.slow
def test_connections_that_do_not_get_on_are_closed(service):
    """A head, a body, and an answer that is not taken."""
    head = b"POST /v1/recognize HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n"
    slow = []
    for beginning in (b"", head, head + b"\r\n"):
        slow.append(socket.create_connection(_address(service[1]), timeout=40))
        slow[-1].sendall(beginning)
    start, ended = time.monotonic(), []
    for connection in slow:
        answer = b""
        with connection, suppress(ConnectionResetError):
            answer = connection.recv(65536)
        ended.append((time.monotonic() - start, answer[:12]))
    assert [answer for _, answer in ended] == [b"", b"", b"HTTP/1.1 408"]
    assert ended[1][0] < 12
    assert ended[2][0] < 22


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_pixels_that_are_no_numbers(client, value):
    response = client.post("/v1/recognize", content=attacks.tiff_of(value))
    assert response.status_code == 422
    assert "no numbers" in response.json()["error"]


def test_names_that_clients_invent_are_not_kept(client):
    for number in range(20):
        assert client.request(f"BREW{number}", f"/coffee/{number}").status_code == 404
        assert client.request(f"BREW{number}", "/health").status_code == 405
    text = client.get("/metrics").text
    assert "BREW" not in text
    assert 'method="other",path="other",status="404"' in text


def test_every_answer_carries_the_headers(client, service):
    answers = [
        client.get("/nothing"),
        client.delete("/health"),
        client.get("/page/style.css"),
        client.get("/page/none"),
    ]
    answers += [client.post("/v1/recognize?probabilities=x"), client.post("/v1/recognize", content=bytes(10_000_001))]
    answers += [client.get("/health", headers={"Host": "example.org"}), client.get("/swagger/swagger-ui.css")]
    assert [answer.status_code for answer in answers] == [404, 405, 200, 404, 422, 413, 421, 200]
    for answer in answers:
        assert all(name in answer.headers for name in SECURE), answer.url
    for garbage in (b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nA: " + b"a" * 70_000):
        said = _speak(service[1], garbage)
        assert said.startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert all(name.encode() in said.lower() for name in SECURE)
        assert json.loads(said.partition(b"\r\n\r\n")[2])["error"]


def test_foreign_names_and_pages_are_refused(client, seven):
    def status(method="POST", **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        return client.request(method, "/v1/recognize" if method == "POST" else "/", content=seven, headers=headers)

    port = client.base_url.port
    for host in (f"127.0.0.1:{port}", f"localhost:{port}", "[::1]:80", "192.168.1.5", "LOCALHOST."):
        assert status(Host=host).status_code == 200, host
    foreign = ["example.org", f"example.org:{port}", "127.0.0.1.example.org", "localhost.example.org", "[", ""]
    for host in (*foreign, "127.0.0.1%25.example.org", "localhost/.example.org", "example.org@localhost", "127.1"):
        assert status(Host=host).status_code == 421, host
        assert status("GET", Host=host).status_code == 421, host
    assert "--allowed-host" in status(Host="example.org").json()["error"]
    own = f"127.0.0.1:{port}"
    assert status(Host=own, Origin=f"http://{own}", Sec_Fetch_Site="same-origin").status_code == 200
    for origin in ("http://example.org", "http://127.0.0.1:1", "null", f"http://localhost:{port}", ""):
        assert status(Host=own, Origin=origin).status_code == 403, origin
    for site in ("cross-site", "same-site"):
        assert status(Host=own, Sec_Fetch_Site=site).status_code == 403
    assert status("GET", Host=own, Origin="http://example.org").status_code == 200  # and the browser keeps it from it
    assert "access-control-allow-origin" not in status("GET", Host=own, Origin="http://example.org").headers


@pytest.mark.slow
def test_names_that_are_allowed(serve, seven):
    _, url, _ = serve("--allowed-host", "digits.example.org")
    for origin in ("https://digits.example.org", "https://digits.example.org:8443"):
        headers = {"Host": "digits.example.org", "Origin": origin}
        assert httpx.post(f"{url}/v1/recognize", content=seven, headers=headers, timeout=60).status_code == 200
    assert httpx.get(f"{url}/health", headers={"Host": "example.org"}).status_code == 421


def test_body_in_chunks(client, service, seven):
    """As curl sends it from standard input, and in crumbs, which cost more to take apart than to read."""
    assert client.post("/v1/recognize", content=iter([seven[:100], seven[100:]])).json()["text"] == ["7"]
    head = b"POST /v1/recognize HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    for beginning in (b"", b"5\r\nabcde\r\n"):
        with socket.create_connection(_address(service[1]), timeout=30) as connection:
            connection.sendall(head + beginning)
            time.sleep(0.2)
            connection.sendall(b"1\r\nx\r\n" * 2500)
            assert connection.recv(65536).startswith(b"HTTP/1.1 400 ")


def test_client_that_sends_no_more_is_answered(service, seven):
    """As ``nc -N`` does; and one whose request is not whole hears nothing."""
    head = b"POST /v1/recognize HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(seven)
    for sent, status in ((head + seven, b"HTTP/1.1 200 OK"), (head + seven[:-1], b"")):
        with socket.create_connection(_address(service[1]), timeout=30) as connection:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            start = time.monotonic()
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
            assert answer[: len(b"HTTP/1.1 200 OK")] == status
            assert time.monotonic() - start < 4, "closed as soon as it is answered"


def test_whole_answers_alone(client):
    """HEAD is GET without the body, and Range is not heard, about which Starlette complains in plain text."""
    for path in ("/", "/health", "/docs", "/page/style.css"):
        head, whole = client.head(path), client.get(path, headers={"Range": "bytes=9-0"})
        assert (head.status_code, whole.status_code) == (200, 200)
        assert head.content == b""
        assert head.headers["content-length"] == str(len(whole.content))
    assert client.head("/v1/recognize").status_code == 405


def test_torn_forms_say_nothing_in_the_log(client, service):
    answer = client.post("/v1/recognize", content=b"--y", headers={"Content-Type": "multipart/form-data; boundary=x"})
    assert answer.status_code == 422
    assert all(line.startswith("{") or "reader ended" in line for line in service[2].read_text().splitlines())
