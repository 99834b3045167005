"""The verb ``recognize``: pictures of handwriting to text."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from digits.errors import UserError
from digits.heavy_imports import heavy_imports
from digits.trust import add_trust_option, trust
from digits.verb_parser import VerbParser

if TYPE_CHECKING:
    from PIL import Image

    from digits.recognition import Page

_DESCRIPTION = """\
Read the digits on pictures: files, folders, patterns like 'scans/*.png', or - for standard input.
Exit status 1 if a picture had no digit."""


def main(arguments: list[str]) -> int:
    """Run the verb; ``arguments`` begin with it. The exit status: 1 where a picture shows no digit."""
    parser = VerbParser("recognize", _DESCRIPTION)
    parser.add_argument("pictures", nargs="+", metavar="PICTURE")
    parser.add_argument(
        "--checkpoint", type=Path, help="of fit, or an export's .onnx; default: the network that comes along"
    )
    parser.add_argument("--layout", default="auto", help="auto, digit (each picture shows one) or page; default: auto")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    parser.add_argument("--annotate", type=Path, metavar="OUT", help="draw boxes and answers to this file, or folder")
    parser.add_argument("--explain", type=Path, metavar="OUT", help="draw which ink spoke for each answer, likewise")
    parser.add_argument("--save-crops", type=Path, metavar="DIR", help="keep what the network saw of each digit")
    add_trust_option(parser)
    options = parser.parse_args(arguments[1:])
    pictures = _find(options.pictures)
    for name, target in (("--annotate", options.annotate), ("--explain", options.explain)):
        if target and len(pictures) > 1 and target.suffix:
            raise UserError(f"{name} {target} is one file for {len(pictures)} pictures; give a folder")
    with heavy_imports():  # not for --help
        from digits.pictures import MAX_PIXELS_OF_FILE, load_grey
        from digits.recognition import Recognizer, annotate

    trust(options.trust)
    recognizer = Recognizer.from_checkpoint(options.checkpoint) if options.checkpoint else Recognizer.pretrained()
    found: list[tuple[str, Page]] = []
    for name in tqdm(pictures, disable=None if len(pictures) > 1 else True, file=sys.stderr):
        grey = load_grey(sys.stdin.buffer.read() if name == "-" else name, MAX_PIXELS_OF_FILE)
        page = recognizer.read(grey, options.layout)
        found.append((name, page))
        if options.annotate:
            _save(annotate(grey, page), _target(options.annotate, name))
        if options.explain and page.lines:
            from digits.recognition import explain

            _save(explain(recognizer, page), _target(options.explain, name))
        if options.save_crops:
            _save_crops(page, options.save_crops, name)
        if options.format == "text":
            _print_text(name, page, is_one_of_many=len(pictures) > 1)
    if options.format == "json":
        answers = [page.as_json(name) for name, page in found]
        print(json.dumps(answers if len(answers) > 1 else answers[0], indent=2))  # noqa: T201 - the answer
    return 0 if all(page.lines for _, page in found) else 1


def _find(patterns: list[str]) -> list[str]:
    """The files that are meant, in order; raises UserError where a pattern or folder holds none."""
    from digits.pictures import is_picture_name  # not for --help

    names: list[str] = []
    for pattern in patterns:
        path = Path(pattern)
        is_folder = path.is_dir()
        if pattern == "-" or (path.exists() and not is_folder):
            names.append(pattern)
            continue
        matches = path.iterdir() if is_folder else Path(path.anchor).glob(str(path.relative_to(path.anchor)))
        found = sorted(str(match) for match in matches if is_picture_name(match))
        if not found:
            raise UserError(f"{pattern} holds no pictures" if is_folder else f"{pattern} does not exist")
        names += found
    return names


def _print_text(name: str, page: Page, *, is_one_of_many: bool) -> None:
    if is_one_of_many:
        print(f"{name}: {page.text.replace(chr(10), ' / ')}")  # noqa: T201 - the answer
    elif page.text:
        print(page.text)  # noqa: T201 - the answer
    if not page.lines:
        print(f"digits: no digit found in {name}", file=sys.stderr)  # noqa: T201 - what was asked for


def _stem(name: str) -> str:
    return "standard-input" if name == "-" else Path(name).stem


def _for_file(label: str) -> str:
    return re.sub(r"[^\w.-]", "_", label)


def _target(chosen: Path, name: str) -> Path:
    return chosen if chosen.suffix else chosen / f"{_stem(name)}.png"


def _save(picture: Image.Image, path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(path)
    except (OSError, ValueError) as error:
        raise UserError(f"cannot write {path}: {error}") from None


def _save_crops(page: Page, folder: Path, name: str) -> None:
    import numpy as np
    from PIL import Image

    for row, line in enumerate(page.lines, start=1):
        for place, reading in enumerate(line, start=1):
            picture = Image.fromarray((reading.crop * 255).round().astype(np.uint8))
            _save(picture, folder / f"{_stem(name)}-{row:02}-{place:02}-{_for_file(reading.label)}.png")
