"""ONNX files that are not what export writes: one line that names the file, exit status 2, on every verb."""

import json

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

ABOUT = {"input": "float32", "output": "logits", "config": {"data": {"source": "uci"}}}
VERBS = {
    "recognize": ["recognize", "digit.png", "--checkpoint"],
    "serve": ["serve", "--port", "0", "--checkpoint"],
    "test": ["test", "--ckpt_path"],
    "validate": ["validate", "--ckpt_path"],
    "predict": ["predict", "--ckpt_path"],
    "robustness": ["robustness", "--images", "10"],
}
WEIGHTS = np.zeros((784, 10), np.float32)


def _write(path, about=ABOUT, weights=WEIGHTS, *, external=None, input_name="images", sides=(28, 28), batch="batch"):
    """A network of one layer, as export would write it, but for what is asked for."""
    tensor = numpy_helper.from_array(weights, "weights")
    if external is not None:
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (("location", external), ("length", str(weights.nbytes))):
            tensor.external_data.add(key=key, value=value)
    nodes = [
        helper.make_node("Flatten", [input_name], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["logits"]),
    ]
    images = helper.make_tensor_value_info(input_name, TensorProto.FLOAT, [batch, 1, *sides])
    outputs = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", "outputs"])
    graph = helper.make_graph(nodes, "network", [images], [outputs], [tensor])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    if about is not None:
        helper.set_model_props(model, {"digits": about if isinstance(about, str) else json.dumps(about)})
    path.write_bytes(model.SerializeToString())


@pytest.fixture
def refused(digits, tmp_path):
    """Give net.onnx to a verb, and return the one line that refuses it."""
    Image.fromarray((np.eye(28) * 255).astype(np.uint8)).save(tmp_path / "digit.png")

    def run(verb):
        status, _, errors = digits(*VERBS[verb], "net.onnx")
        assert status == 2, errors
        assert errors.startswith("digits: error: "), errors
        assert errors.count("\n") == 1, errors
        assert "net.onnx" in errors, errors
        return errors

    return run


def test_the_network_of_these_tests_is_a_good_one(digits, tmp_path):
    _write(tmp_path / "net.onnx")
    status, _, errors = digits("test", "--ckpt_path", "net.onnx")
    assert status == 0, errors


@pytest.mark.parametrize(
    ("about", "message"),
    [
        (None, "is not an ONNX file of digits"),
        ("", "no JSON"),
        ("{", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ([1], "no mapping"),
        ({}, "has no input"),
        (ABOUT | {"input": ["float32"]}, "has no input"),
        (ABOUT | {"output": "pictures"}, "has no output"),
        (ABOUT | {"config": None}, "no configuration of the data"),
        (ABOUT | {"config": {"data": "uci"}}, "no configuration of the data"),
        (ABOUT | {"class_names": 3}, "no names of classes"),
        (ABOUT | {"class_names": [1, 2]}, "no names of classes"),
        (ABOUT | {"class_names": ["a", "b"]}, "it must take any number of images"),
        (ABOUT | {"input": "uint8"}, "it must take any number of images"),
    ],
)
def test_descriptions(refused, tmp_path, about, message):
    _write(tmp_path / "net.onnx", about)
    assert message in refused("recognize")


@pytest.mark.parametrize("verb", ["test", "robustness"])
def test_a_description_that_verbs_of_training_need(refused, tmp_path, verb):
    _write(tmp_path / "net.onnx", {})
    refused(verb)


@pytest.mark.parametrize("location", ["weights.bin", "../weights.bin", "/etc/hostname", "sub/../weights.bin"])
def test_weights_in_another_file_are_not_read(refused, tmp_path, location):
    (tmp_path / "weights.bin").write_bytes(WEIGHTS.tobytes())
    (tmp_path / "sub").mkdir()
    _write(tmp_path / "net.onnx", external=location)
    assert "is damaged or not an ONNX file" in refused("recognize")


@pytest.mark.parametrize("form", [{"input_name": "x"}, {"sides": (14, 56)}, {"batch": 1}])
def test_inputs_of_another_form(refused, tmp_path, form):
    _write(tmp_path / "net.onnx", **form)
    assert "it must take any number of images" in refused("recognize")


@pytest.mark.parametrize("verb", list(VERBS))
def test_answers_that_are_no_numbers(refused, tmp_path, verb):
    _write(tmp_path / "net.onnx", weights=np.full((784, 10), np.nan, np.float32))
    assert "answers with NaN or infinity" in refused(verb)


@pytest.mark.parametrize("verb", ["test", "recognize"])
def test_answers_of_too_few_classes(refused, tmp_path, verb):
    _write(tmp_path / "net.onnx", weights=np.zeros((784, 3), np.float32))
    assert "it must take any number of images" in refused(verb)


def test_a_file_that_is_cut_short(refused, tmp_path):
    _write(tmp_path / "net.onnx")
    (tmp_path / "net.onnx").write_bytes((tmp_path / "net.onnx").read_bytes()[:200])
    assert "is damaged" in refused("validate")
