import json
import re

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from digits.data import find_source
from digits.evaluation import answer
from digits.exporting.folding import fold_normalization, spread_rows
from digits.models import CNN, load_model, open_model
from digits.recognition import load_pretrained

KINDS = ["mlp", "cnn", "rich", "layers", "ensemble"]
FILES = ["net.onnx", "net.pt2", "net.safetensors"]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_answers_as_torch_does(digits, trained, tmp_path, kind, name):
    status, output, errors = digits("export", "--checkpoint", trained[kind], "--output", name)
    assert status == 0, errors
    count, agreeing = re.search(r"([\d,]+) of ([\d,]+) images answered as in torch", output).groups()
    assert count == agreeing
    assert (tmp_path / f"{name}.md").is_file()
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith("net")) == sorted(
        {name, f"{name}.md"} | ({"net.json"} if name.endswith("safetensors") else set())
    )


@pytest.mark.parametrize(
    "kind", ["mlp", "cnn", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("champion", "ensemble"))]
)
def test_parity_on_all_test_images(digits, trained, mnist_dir, tmp_path, kind):
    checkpoint = ["--checkpoint", trained[kind]] if kind in trained else []
    assert digits("export", *checkpoint, "--output", "net.onnx")[0] == 0
    test = find_source("mnist").load(mnist_dir).test
    model = load_model(trained[kind]) if kind in trained else load_pretrained()
    rows = torch.arange(len(test))
    expected, found = (answer(any_model, test, rows).logits for any_model in (model, open_model(tmp_path / "net.onnx")))
    assert torch.equal(found.argmax(dim=1), expected.argmax(dim=1))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(
    ("kind", "name"), [*(("rich", name) for name in FILES), ("mlp", "net.onnx"), ("ensemble", "net.safetensors")]
)
def test_the_code_on_the_card_runs_without_lightning_and_digits(digits, trained, python_without, tmp_path, kind, name):
    assert digits("export", "--checkpoint", trained[kind], "--output", name)[0] == 0
    (code,) = re.findall(r"```python\n(.*?)```", (tmp_path / f"{name}.md").read_text(), re.DOTALL)
    zeros = {"net.onnx": "np.zeros((1, 1, 28, 28), np.float32)"}.get(name, "torch.zeros(1, 1, 28, 28")
    images = torch.rand(3, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    np.save(tmp_path / "images.npy", images.numpy())
    assert zeros in code
    loaded = "np.load('images.npy')" if name == "net.onnx" else "torch.tensor(__import__('numpy').load('images.npy')"
    said = python_without(
        ["digits", "pytorch_lightning"], code.replace(zeros, loaded).replace(", dtype=torch.float32", "")
    )
    expected = load_model(trained[kind])(images).argmax(dim=1).tolist()
    assert [int(digit) for digit in re.findall(r"\d+", said.strip().splitlines()[-1])] == expected


def test_metadata_says_what_the_file_is(digits, trained, tmp_path):
    assert digits("export", "--checkpoint", trained["cnn"], "--output", "net.onnx", "--softmax")[0] == 0
    known = {entry.key: entry.value for entry in onnx.load(tmp_path / "net.onnx").metadata_props}
    assert known["labels"] == "0 1 2 3 4 5 6 7 8 9"
    assert "ink is high, paper is 0" in known["input"]
    assert re.fullmatch(r"\d+\.\d\d % of the test images", known["accuracy"])
    about = json.loads(known["digits"])
    assert about["data"]["source"] == known["data"] == "uci"
    assert about["class_path"] == "digits.models.cnn.CNN"
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx")
    (image,), (output,) = session.get_inputs(), session.get_outputs()
    assert (image.name, image.type, image.shape[1:]) == ("images", "tensor(float)", [1, 28, 28])
    assert output.name == "probabilities"
    (answers,) = session.run(None, {"images": np.random.default_rng(0).random((3, 1, 28, 28), np.float32)})
    assert answers.sum(axis=1) == pytest.approx([1, 1, 1], abs=1e-5)


def test_bytes_go_in_as_they_are(digits, trained, tmp_path):
    assert digits("export", "--checkpoint", trained["rich"], "--output", "net.onnx", "--input", "uint8")[0] == 0
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx")
    images = find_source("uci").load(tmp_path).test.images[:5]
    (answers,) = session.run(None, {"images": images.numpy()})
    expected = load_model(trained["rich"])(images.float() / 255)
    assert answers == pytest.approx(expected.detach().numpy(), abs=1e-4)
    again = open_model(tmp_path / "net.onnx")(images.float() / 255)
    torch.testing.assert_close(again, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", ["cnn", pytest.param("rich", marks=pytest.mark.slow)])
def test_int8_is_smaller_and_nearly_as_good(digits, trained, tmp_path, kind):
    status, output, errors = digits(
        "export", "--checkpoint", trained[kind], "--output", "net.onnx", "--quantize", "int8"
    )
    assert status == 0, errors
    before, after = map(float, re.search(r"accuracy ([\d.]+) % in fp32, ([\d.]+) % in int8", output).groups())
    assert before - after < 1
    assert re.search(r"[\d.]+ times as fast", output)
    full, small = map(float, re.search(r"([\d.]+) MB in fp32\n([\d.]+) MB", output).groups())
    assert small < 0.6
    assert small < full or kind == "rich"  # whose few weights take less than the graph around them
    operators = {node.op_type for node in onnx.load(tmp_path / "net.onnx").graph.node}
    assert "QuantizeLinear" in operators


def test_normalization_folds_into_the_weights_only_where_answers_stay():
    torch.manual_seed(0)
    model = CNN(stages=[[8, 8], [16]], hidden=[32]).eval()
    for layer in model.network:
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.5, 2.0)
            nn.init.normal_(layer.running_mean)
            nn.init.uniform_(layer.running_var, 0.5, 2.0)
    images = torch.rand(4, 1, 28, 28)
    for transform in (fold_normalization, lambda net: spread_rows(fold_normalization(net))):
        torch.testing.assert_close(transform(model)(images), model(images), rtol=1e-4, atol=1e-5)
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in fold_normalization(model).network)
    pooled = next(layer for layer in reversed(list(model.network)) if isinstance(layer, nn.BatchNorm2d))
    with torch.no_grad():
        pooled.weight[0] = -1  # under which a maximum becomes a minimum
    torch.testing.assert_close(fold_normalization(model)(images), model(images), rtol=1e-4, atol=1e-5)
    assert sum(isinstance(layer, nn.BatchNorm2d) for layer in fold_normalization(model).network) == 1


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--output", "net"], "net does not say the format; end it with .onnx, .pt2, .safetensors, or give --format"),
        (["--output", "net.onnx", "--format", "onx"], "unknown --format 'onx'; did you mean 'onnx'?"),
        (["--output", "net.onnx", "--input", "int"], "unknown --input 'int'; did you mean 'uint8'?"),
        (["--output", "net.onnx", "--quantize", "int4"], "unknown --quantize 'int4'; did you mean 'int8'?"),
        (["--output", "net.pt2", "--quantize", "int8"], "--quantize int8 is for ONNX"),
        (["--output", "net.safetensors", "--softmax"], "a .safetensors holds weights"),
        (["--output", "net.onnx", "--checkpoint", "gone.ckpt"], "the checkpoint gone.ckpt does not exist"),
        (["--output", "net.onnx", "--checkpoint", "a.onnx"], "a.onnx is exported already"),
        (["--output", "/proc/net.onnx"], "cannot write /proc/net.onnx"),
        (["--outptu", "net.onnx"], "the following arguments are required: --output"),
    ],
)
def test_mistakes(digits, tmp_path, options, complaint):
    status, output, errors = digits("export", *options)
    assert (status, output) == (2, "")
    assert errors.startswith(f"digits: error: {complaint}")
    assert errors.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("module", "verb", "extra"),
    [
        ("onnx", ["export", "--output", "net.onnx"], "export"),
        pytest.param("onnxruntime", ["export", "--output", "net.onnx"], "export", marks=pytest.mark.slow),
        pytest.param("onnxscript", ["export", "--output", "net.onnx"], "export", marks=pytest.mark.slow),
        ("onnxruntime", ["recognize", "a.png", "--checkpoint", "net.onnx"], "onnx"),
        ("optuna", ["sweep", "--config", "c", "--space", "s", "--trials", "1"], "sweep"),
        ("fastapi", ["serve"], "serve"),
        ("swagger_ui_bundle", ["serve"], "serve"),
    ],
)
def test_without_an_extra_its_verb_says_what_to_install(python_without, tmp_path, module, verb, extra):
    (tmp_path / "a.png").touch()
    said = python_without([module], f"from digits.__main__ import main; sys.exit(main({verb!r}))", status=2)
    assert said.count("\n") == 1
    assert f"needs {module}, an extra: pip install 'digits[{extra}]'" in said
