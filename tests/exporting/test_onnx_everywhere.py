import json
import subprocess
import sys
import time

import httpx
import numpy as np
import pytest
from PIL import Image

from digits.data import find_source
from tests.conftest import ROOT

TRAINING = [
    "torch",
    "pytorch_lightning",
    "torchmetrics",
    "torchvision",
    "jsonargparse",
    "sklearn",
    "matplotlib",
    "yaml",
]


@pytest.fixture
def network(digits, tmp_path):
    """The network that comes along, as an ONNX file."""
    assert digits("export", "--output", "net.onnx")[0] == 0
    return tmp_path / "net.onnx"


@pytest.fixture
def page(tmp_path):
    """A picture with five digits in a row, dark on light."""
    images = find_source("uci").load(tmp_path).test.images[:5, 0].numpy()
    row = np.concatenate([np.pad(image, 6) for image in images], axis=1).repeat(3, 0).repeat(3, 1)
    Image.fromarray(255 - row).save(tmp_path / "page.png")
    return tmp_path / "page.png"


def test_test_and_predict_and_robustness_take_the_file(digits, trained, tmp_path):
    checkpoint = trained["cnn"]
    assert digits("export", "--checkpoint", checkpoint, "--output", "net.onnx")[0] == 0
    _, expected, _ = digits("test", "--ckpt_path", checkpoint)
    status, output, errors = digits("test", "--ckpt_path", "net.onnx")
    assert status == 0, errors
    shown, wanted = (
        {line.split()[0]: line.split()[1] for line in text.splitlines() if line.startswith("test/")}
        for text in (output, expected)
    )
    assert shown["test/accuracy"] == wanted["test/accuracy"]
    assert float(shown["test/loss"]) == pytest.approx(float(wanted["test/loss"]), abs=1e-4)
    assert output.splitlines()[-1].endswith("net.onnx")
    assert digits("predict", "--ckpt_path", "net.onnx")[0] == 0
    assert (tmp_path / "predictions.csv").read_text().count("\n") == 361
    status, _, errors = digits("fit", "--ckpt_path", "net.onnx")
    assert status == 2
    assert "an ONNX file cannot be trained further" in errors


def test_a_damaged_file_is_named(digits, page, tmp_path):
    (tmp_path / "torn.onnx").write_bytes(b"torn")
    for verb in (["recognize", page, "--checkpoint"], ["test", "--ckpt_path"]):
        status, _, errors = digits(*verb, "torn.onnx")
        assert status == 2
        assert "torn.onnx is damaged or not an ONNX file" in errors
        assert errors.count("\n") == 1


def test_reading_without_torch(network, page, digits, python_without):
    _, expected, _ = digits("recognize", page, "--format", "json")
    code = f"from digits.__main__ import main; sys.exit(main(['recognize', {str(page)!r}, {{}}]))"
    said = python_without(TRAINING, code.replace("{}", f"'--format', 'json', '--checkpoint', {str(network)!r}"))
    found, expected = json.loads(said), json.loads(expected)
    assert found["text"] == expected["text"]
    for mine, theirs in zip(found["lines"][0], expected["lines"][0], strict=True):
        assert mine["box"] == theirs["box"]
        assert mine["confidence"] == pytest.approx(theirs["confidence"], abs=2e-3)
    helpless = python_without(TRAINING, code.replace(", {}", ""), status=2)
    assert "the network that comes along needs torch; give an .onnx file instead" in helpless


def test_serving_without_torch(network, page, tmp_path):
    absent = f"import sys\nfor name in {TRAINING!r}: sys.modules[name] = None\n"
    start = "from digits.__main__ import main; sys.exit(main(['serve', '--port', '0', '--checkpoint', 'net.onnx']))"
    process = subprocess.Popen(
        [sys.executable, "-c", absent + start],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        url = process.stdout.readline().split()[0]
        for _ in range(100):
            try:
                assert httpx.get(f"{url}/health").json()["status"] == "ok"
                break
            except httpx.TransportError:
                time.sleep(0.1)
        answer = httpx.post(f"{url}/v1/recognize", content=page.read_bytes(), timeout=30).json()
        assert len(answer["text"][0]) == 5
    finally:
        process.terminate()
        process.communicate()
