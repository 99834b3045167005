"""The verb ``export``: a trained network as a file for other programs."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from digits.errors import UserError, did_you_mean
from digits.heavy_imports import heavy_imports
from digits.trust import add_trust_option, trust
from digits.verb_parser import VerbParser

if TYPE_CHECKING:
    from torch import Tensor

    from digits.exporting import Subject
    from digits.exporting.check import Run
    from digits.exporting.subject import Answering

_FORMATS = {".onnx": "onnx", ".pt2": "torch", ".safetensors": "safetensors"}
_CHECKED, _CALIBRATED = 1000, 1000
_DESCRIPTION = """\
Write a trained network as ONNX (.onnx), a torch.export program (.pt2), or weights with a list of layers (.safetensors
and .json), and beside it a model card (.md) with the lines of code that call it. What was written is read again and
compared with torch."""


def main(arguments: list[str]) -> None:
    """Run the verb; ``arguments`` begin with it."""
    parser = VerbParser("export", _DESCRIPTION)
    parser.add_argument("--checkpoint", type=Path, help="of fit or ensemble; default: the network that comes along")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE")
    parser.add_argument("--format", help="onnx, torch or safetensors; default: what the file's name ends with")
    parser.add_argument("--input", default="float", help="float (0 to 1) or uint8 (0 to 255); default: float")
    parser.add_argument("--softmax", action="store_true", help="answer with probabilities instead of logits")
    parser.add_argument("--quantize", help="int8: a smaller and faster .onnx, calibrated on training images")
    add_trust_option(parser)
    options = parser.parse_args(arguments[1:])
    kind = options.format or _FORMATS.get(options.output.suffix)
    if kind is None:
        raise UserError(
            f"{options.output} does not say the format; end it with {', '.join(_FORMATS)}, or give --format"
        )
    for name, value, known in (
        ("format", kind, _FORMATS.values()),
        ("input", options.input, ("float", "uint8")),
        ("quantize", options.quantize or "int8", ("int8",)),
    ):
        if value not in known:
            raise UserError(f"unknown --{name} {value!r}; {did_you_mean(value, known)}")
    if options.quantize and kind != "onnx":
        raise UserError("--quantize int8 is for ONNX; end --output with .onnx")
    if kind == "safetensors" and (options.softmax or options.input != "float"):
        raise UserError("a .safetensors holds weights; --input and --softmax are for onnx and torch")
    with heavy_imports():  # not for --help
        try:
            from digits.exporting import read_subject, write_card
            from digits.exporting.subject import Answering, judged_images
        except ModuleNotFoundError as error:
            missing = (error.name or "").partition(".")[0]
            raise UserError(f"exporting needs {missing}, an extra: pip install 'digits[export]'") from None

    trust(options.trust)
    subject = read_subject(options.checkpoint)
    answering = Answering(subject.model, options.input == "uint8", options.softmax)
    digits = subject.digits
    images = judged_images(digits)
    shown = f"{digits.source}'s {'test' if images is digits.test else 'training'} images"
    try:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=options.output.parent) as folder:
            path = Path(folder, options.output.name)
            if options.quantize:
                checks = _write_int8(subject, answering, path, shown)
            else:
                checked = _write(kind, subject, answering, path, images.images[:_CHECKED])
                checks = [f"{checked} ({shown} and others)"]
            checks.append(f"{path.stat().st_size / 1e6:.2f} MB")
            write_card(path, kind, answering, subject.about, checks)
            for written in Path(folder).iterdir():
                written.chmod(0o644)
                written.replace(options.output.parent / written.name)
    except OSError as error:
        raise UserError(f"cannot write {options.output}: {error.strerror}") from None
    for line in checks:
        print(line)  # noqa: T201 - the command line's own output
    print(f"{options.output} · {options.output}.md")  # noqa: T201


def _write(kind: str, subject: Subject, answering: Answering, path: Path, images: Tensor) -> str:
    """Write the file, and say how its answers compare with torch's; it must give the same ones."""
    from digits.exporting import compare, write_onnx, write_program, write_weights

    run: Run
    if kind == "onnx":
        write_onnx(answering, path, subject.about)
        run = _onnx_run(path)
    elif kind == "torch":
        import torch

        write_program(answering, path)
        run = torch.export.load(path).module()
    else:
        from digits.models import load_portable

        write_weights(subject.model, path, subject.about)
        run = load_portable(path)
    check = compare(run, answering, images)
    if not check.is_identical:
        raise RuntimeError(f"what was written answers differently: {check}; it was not kept")
    return str(check)


def _write_int8(subject: Subject, answering: Answering, path: Path, shown: str) -> list[str]:
    """Write the quantized file, and say what it costs and what it brings beside the one it was made from."""
    from digits.exporting import speed, write_int8, write_onnx
    from digits.exporting.check import answers
    from digits.exporting.subject import judged_images

    digits = subject.digits
    assert digits.train is not None
    images = judged_images(digits)
    assert images.labels is not None
    with tempfile.TemporaryDirectory() as folder:
        full = Path(folder, "full.onnx")
        write_onnx(answering, full, subject.about)
        write_int8(answering, path, subject.about, digits.train.images[:_CALIBRATED])
        runs = [_onnx_run(full), _onnx_run(path)]
        before, after = (
            float((answers(run, answering, images.images).argmax(dim=1) == images.labels).float().mean())
            for run in runs
        )
        full_speed, int8_speed = speed(runs, answering)
        full_size = full.stat().st_size / 1e6
    return [
        f"accuracy {100 * before:.2f} % in fp32, {100 * after:.2f} % in int8 ({len(images):,} of {shown})",
        f"batches of 256: {full_speed:,.0f} images/s in fp32, {int8_speed:,.0f} in int8, "
        f"{int8_speed / full_speed:.2f} times as fast",
        f"{full_size:.2f} MB in fp32",
    ]


def _onnx_run(path: Path) -> Run:
    import onnxruntime
    import torch

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda images: torch.from_numpy(session.run(None, {"images": images.numpy()})[0])
