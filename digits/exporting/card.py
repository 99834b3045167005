"""The page that goes with an exported file: what it is, how good, how to call it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from digits.classes import TEN_DIGITS, describe_classes
from digits.exporting.subject import Answering

ONNX_CODE = """\
import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession("{file}")
images = np.zeros((1, 1, 28, 28), np.{dtype})  # (N, 1, 28, 28), {range}, ink high
({output},) = session.run(None, {{"images": images}})
print({output}.argmax(axis=1))
"""
PROGRAM_CODE = """\
import torch

network = torch.export.load("{file}").module()
images = torch.zeros(1, 1, 28, 28, dtype=torch.{dtype})  # (N, 1, 28, 28), {range}, ink high
{output} = network(images)
print({output}.argmax(dim=1))
"""
WEIGHTS_CODE = """\
import json, torch
from safetensors.torch import load_file

spec, weights = json.load(open("{file}".replace(".safetensors", ".json"))), load_file("{file}")

def probabilities(images, net):  # (N, 1, 28, 28), {range}, ink high
    layers = torch.nn.Sequential(*(getattr(torch.nn, kind)(**options) for kind, options in net["layers"])).eval()
    n = len(net["weights"])
    layers.load_state_dict({{k[n:]: v for k, v in weights.items() if k.startswith(net["weights"])}})
    s, c, padded = net["shift"], net["crop"], torch.nn.functional.pad(images, [net["shift"]] * 4)
    places = [(s, s), (0, s), (2 * s, s), (s, 0), (s, 2 * s)] if s else [(0, 0)]
    x = torch.cat([padded[..., a + c : a + 28 - c, b + c : b + 28 - c] for a, b in places])
    if net["stretch_contrast"]:
        low, high = x.amin((1, 2, 3), True), x.amax((1, 2, 3), True)
        x = (x - low) / (high - low).clamp(min=0.1)
    p = layers((x - net["mean"]) / net["std"]).softmax(1).unflatten(0, (len(places), -1)).mean(0)
    return (p.log() / net["temperature"]).softmax(1)

with torch.inference_mode():
    images = torch.zeros(1, 1, 28, 28)
    print(torch.stack([probabilities(images, net) for net in spec["networks"]]).mean(0).argmax(1))
"""
_CODE = {"onnx": ONNX_CODE, "torch": PROGRAM_CODE, "safetensors": WEIGHTS_CODE}
_NEEDS = {"onnx": "onnxruntime and NumPy", "torch": "torch", "safetensors": "torch and safetensors"}


_WRITERS = (
    "- The writers of its training images were few and of one country; other people's sevens, ones and nines may"
    " look different.",
)


def write_card(file: Path, kind: str, answering: Answering, about: dict[str, Any], checks: list[str]) -> Path:
    """Write the card of ``file`` beside it, in Markdown; ``checks`` are lines about what was measured just now."""
    form = answering.form
    names = {"dtype": form["input"], "output": form["output"], "file": file.name}
    names["range"] = "0 to 255" if answering.takes_bytes else "0 to 1"
    figures = [f"- {name.removeprefix('test/').replace('_', ' ')}: {value}" for name, value in about["figures"].items()]
    history = {"made by": about["command"], "seed": about["seed"], "commit": about["commit"]}
    class_names = answering.model.class_names
    is_of_digits = class_names == TEN_DIGITS
    one = "digit" if is_of_digits else "character"
    lines = [
        f"# {file.name}",
        "",
        ("Reads one handwritten digit, 0 to 9," if is_of_digits else f"Tells {describe_classes(class_names)} apart")
        + f" from a picture of 28×28 pixels. {about['class_path'].rpartition('.')[2]}"
        f", {sum(parameter.numel() for parameter in answering.model.parameters()):,} parameters.",
        "",
        "## How to call it",
        "",
        f"Needs {_NEEDS[kind]}. Input `images`: {form['input_meaning']}. Output: {form['output']} "
        f"(batch, {len(class_names)}).",
        "",
        "```python",
        _CODE[kind].format(**names).rstrip(),
        "```",
        *_classes(class_names),
        "",
        "## How good it is",
        "",
        f"Trained on {about['data']['source']}. On its official test images, as the fit that trained it found:",
        "",
        *(figures or ["- not known: the file that was exported is not that of a finished run"]),
        "",
        "Measured when this file was written:",
        "",
        *(f"- {check}" for check in checks),
        "",
        "## Limits",
        "",
        f"- It expects a single {one}, scaled into 20×20 pixels and placed by its centre of mass, as MNIST's are;"
        " `digits.recognition` does that for photos.",
        f"- Whatever is shown, it answers with a {one}. Low confidence is a sign of something else, not a proof.",
        *(_WRITERS if is_of_digits else ()),
        "",
        "## Where it comes from",
        "",
        *(f"- {name}: {value}" for name, value in history.items() if value is not None),
        f"- digits {about['digits']}",
        "",
    ]  # fmt: skip
    path = file.with_name(f"{file.name}.md")
    path.write_text("\n".join(lines))
    return path


def _classes(class_names: tuple[str, ...]) -> list[str]:
    """What the places of the output stand for, where they are not the digits themselves."""
    if class_names == TEN_DIGITS:
        return []
    return [
        "",
        "The places of the output stand for, in order:",
        "",
        f"    {json.dumps(class_names, ensure_ascii=False)}",
    ]
