import io
import json
import sys

import numpy as np
import pytest
from PIL import Image

from digits.data import find_source
from tests.recognition.pages import Page, compose


@pytest.fixture
def picture(mnist_dir, tmp_path):
    """A picture file with two lines of four digits, and what they say."""
    test = find_source("mnist").load(mnist_dir).test
    drawn, lines = compose(Page(digits=8, per_line=4, size=60), test.images[:, 0].numpy(), test.labels.numpy())
    drawn.save(tmp_path / "note.png")
    return tmp_path / "note.png", lines


def test_text_and_json(digits, picture):
    path, lines = picture
    assert digits("recognize", path) == (0, "\n".join(lines) + "\n", "")
    status, output, _ = digits("recognize", path, "--format", "json")
    answer = json.loads(output)
    assert status == 0
    assert set(answer) == {"image", "width", "height", "text", "lines"}
    assert answer["text"] == lines
    first = answer["lines"][0][0]
    assert first["digit"] == int(lines[0][0])
    assert 0.5 < first["confidence"] <= 1
    assert len(first["box"]) == 4


def test_many_pictures(digits, picture, tmp_path):
    path, lines = picture
    (tmp_path / "scans").mkdir()
    for name in ("b.png", "a.png", "notes.txt"):
        (tmp_path / "scans" / name).write_bytes(path.read_bytes())
    expected = "".join(f"scans/{name}: {' / '.join(lines)}\n" for name in ("a.png", "b.png"))
    assert digits("recognize", "scans") == (0, expected, "")
    assert digits("recognize", "scans/*.png")[1] == expected
    assert len(json.loads(digits("recognize", "scans", path, "--format", "json")[1])) == 3


def test_standard_input(digits, picture, monkeypatch):
    path, lines = picture
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(path.read_bytes())))
    assert digits("recognize", "-")[1].split() == lines


def test_no_digit(digits, tmp_path):
    Image.new("L", (80, 80), 230).save(tmp_path / "blank.png")
    assert digits("recognize", "blank.png") == (1, "", "digits: no digit found in blank.png\n")


def test_boxes_and_crops(digits, picture, tmp_path):
    path, lines = picture
    status, _, errors = digits("recognize", path, "--annotate", "seen.png", "--save-crops", "crops")
    assert status == 0, errors
    before, after = (np.asarray(Image.open(file).convert("RGB")).astype(int) for file in (path, tmp_path / "seen.png"))
    blue = (after[..., 2] - after[..., 0]) > 60
    assert after.shape == before.shape
    assert 500 < blue.sum() < 30_000
    crops = sorted(path.name for path in (tmp_path / "crops").iterdir())
    assert crops[0] == f"note-01-01-{lines[0][0]}.png"
    assert len(crops) == 8
    assert Image.open(tmp_path / "crops" / crops[0]).size == (28, 28)
    digits("recognize", path, path, "--annotate", "folder")
    assert (tmp_path / "folder" / "note.png").is_file()


def test_a_checkpoint_of_ones_own(digits, fit, picture):
    run = fit("--trainer.max_epochs", "5")
    status, output, _ = digits("recognize", picture[0], "--checkpoint", run / "checkpoints" / "best.ckpt")
    assert status == 0
    assert "".join(output.split()).isdecimal()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gone.png"], "gone.png does not exist"),
        (["."], ". holds no pictures"),
        (["text.png"], "text.png is not a picture that can be read; give JPEG, PNG, WebP, BMP, GIF or TIFF"),
        (["text.png", "text.png", "--annotate", "a.png"], "--annotate a.png is one file for 2 pictures; give a folder"),
        (["text.png", "--checkpoint", "x.ckpt"], "the checkpoint x.ckpt does not exist"),
        (["text.png", "--formt", "json"], "unknown option '--formt'; did you mean '--format'?"),
        (["blank.gif", "--layout", "pgae"], "unknown layout 'pgae'; choose from: auto, digit, page"),
    ],
)
def test_mistakes(digits, tmp_path, arguments, message):
    (tmp_path / "empty").mkdir()
    if arguments != ["."]:
        (tmp_path / "text.png").write_text("no picture")
        Image.new("L", (20, 20)).save(tmp_path / "blank.gif")
    status, output, errors = digits("recognize", *arguments)
    assert (status, output) == (2, "")
    assert errors.startswith(f"digits: error: {message}")
    assert errors.count("\n") == 1
