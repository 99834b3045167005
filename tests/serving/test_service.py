import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import attacks
import httpx
import pytest
from PIL import Image

from digits.data import find_source
from digits.recognition import FORMATS
from tests.conftest import ROOT
from tests.recognition.pages import Page, compose
from tests.serving.processes import readers_of


@pytest.fixture
def client(service):
    with httpx.Client(base_url=service[1], timeout=60) as client:
        yield client


@pytest.fixture
def note(mnist_dir):
    """A PNG with two lines of four digits, and what they say."""
    test = find_source("mnist").load(mnist_dir).test
    drawn, lines = compose(Page(digits=8, per_line=4, size=60), test.images[:, 0].numpy(), test.labels.numpy())
    return _encoded(drawn), lines


def _encoded(picture, name="PNG"):
    file = io.BytesIO()
    picture.save(file, name)
    return file.getvalue()


def test_picture_as_body_and_as_form_is_answered_like_the_verb(client, note, digits, tmp_path):
    picture, lines = note
    raw = client.post("/v1/recognize", content=picture)
    form = client.post("/v1/recognize", files={"file": ("note.png", picture, "image/png")})
    assert raw.status_code == form.status_code == 200
    assert raw.json()["text"] == lines
    (tmp_path / "note.png").write_bytes(picture)
    assert form.json() == json.loads(digits("recognize", "note.png", "--format", "json")[1])
    digit = client.post("/v1/recognize?probabilities=true", content=picture).json()["lines"][0][0]
    assert len(digit["probabilities"]) == 10
    assert sum(digit["probabilities"]) == pytest.approx(1, abs=0.001)
    assert max(digit["probabilities"]) == digit["confidence"]


def test_health_docs_metrics_and_headers(client):
    assert client.get("/health").json()["status"] == "ok"
    schema = client.get("/openapi.json").json()
    assert set(schema["paths"]) == {"/health", "/metrics", "/v1/recognize"}
    text = client.get("/metrics").text
    assert 'digits_requests_total{method="GET",path="/health",status="200"}' in text
    assert client.get("/nothing/here").status_code == 404
    assert 'path="/nothing/here"' not in client.get("/metrics").text
    for path in ("/", "/docs", "/health", "/nothing/here"):
        headers = client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert "server" not in headers


@pytest.mark.parametrize(
    ("content", "status", "words"),
    [
        (b"", 422, "is not a picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 422, "give JPEG, PNG, WebP, BMP, GIF or TIFF"),
        (attacks.png(20_000, 20_000), 422, "at most 25 megapixels"),
        (bytes(10_000_001), 413, "larger than 10 MB"),
    ],
    ids=["nothing", "svg", "pixels", "bytes"],
)
def test_what_is_refused_and_why(client, content, status, words):
    response = client.post("/v1/recognize", content=content)
    assert response.status_code == status
    assert words in response.json()["error"]


def test_body_of_unknown_length_is_refused_when_it_grows_too_large(client):
    response = client.post("/v1/recognize", content=(bytes(1_000_000) for _ in range(11)))
    assert response.status_code == 413


def test_unknown_layout(client, note):
    response = client.post("/v1/recognize?layout=book", content=note[0])
    assert response.status_code == 422
    assert "unknown layout 'book'" in response.json()["error"]


def test_every_format_is_read(client, note):
    with Image.open(io.BytesIO(note[0])) as picture:
        for name in FORMATS:
            assert client.post("/v1/recognize", content=_encoded(picture, name)).json()["text"] == note[1], name


def test_many_clients_and_malformed_uploads_never_fail_the_server(service):
    options = ["--url", service[1], "--clients", "200", "--seconds", "2", "--malformed", "200"]
    command = [sys.executable, ROOT / "scripts" / "strain.py", *options]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    load, abuse, memory = result.stdout.splitlines()
    assert load.startswith("load: 200 clients, ")
    assert re.search(r"statuses \{200: \d+\}$", load)
    assert set(re.findall(r"(\d+):", abuse[abuse.index("{") :])) <= {"200", "413", "422"}
    assert sum(map(int, re.findall(r": (\d+)", abuse[abuse.index("{") :]))) == 200
    assert memory.startswith("memory: ")


def test_signal_finishes_what_has_begun(serve, note):
    process, url, log = serve()
    test_page = Image.new("L", (3000, 3000), 250)
    with Image.open(io.BytesIO(note[0])) as small:
        test_page.paste(small, (100, 100))
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(httpx.post, f"{url}/v1/recognize", content=_encoded(test_page), timeout=60)
        while "digits_requests_in_progress 2" not in httpx.get(f"{url}/metrics").text and not answer.done():
            time.sleep(0.005)
        for number in [process.pid, *readers_of(process)]:  # as service managers send it
            os.kill(number, signal.SIGTERM)
        assert answer.result().status_code == 200
    process.wait(timeout=40)
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    assert {"time", "client", "method", "path", "status", "bytes", "milliseconds"} == set(entries[-1])
    assert entries[-1]["path"] == "/v1/recognize"


@pytest.mark.slow
def test_workers_share_the_address_and_the_counts(serve, note):
    process, url, _ = serve("--workers", "2")
    for _ in range(20):
        assert httpx.post(f"{url}/v1/recognize", content=note[0], timeout=60).json()["text"] == note[1]
    text = httpx.get(f"{url}/metrics").text
    counted = [line for line in text.splitlines() if line.startswith("digits_requests_total") and "/v1/" in line]
    assert sum(float(line.split()[-1]) for line in counted) == 20
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=40) == 0


def test_mistakes_of_users(digits, service):
    port = service[1].rpartition(":")[2]
    assert digits("serve", "--port", port)[2] == (
        f"digits: error: cannot listen on 127.0.0.1:{port}: Address already in use; give another --host or --port\n"
    )
    assert "--workers is 0" in digits("serve", "--workers", "0")[2]
    assert "--port is 70000" in digits("serve", "--port", "70000")[2]
    assert "does not exist" in digits("serve", "--port", "0", "--checkpoint", "none.ckpt")[2]


def test_without_the_extra():
    program = "import sys; sys.modules['uvicorn'] = None; from digits.__main__ import main; sys.exit(main(['serve']))"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert result.returncode == 2
    assert result.stderr == "digits: error: serving needs uvicorn, an extra: pip install 'digits[serve]'\n"
