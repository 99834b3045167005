import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import attacks
import numpy as np
import pytest
from PIL import Image

from digits.data import find_source
from digits.errors import UserError
from digits.pictures import is_picture_name, load_grey


@pytest.fixture
def written():
    """A dark stroke on light paper, ``(40, 30)`` uint8."""
    pixels = np.full((40, 30), 220, np.uint8)
    pixels[8:32, 12:16] = 20
    return pixels


def _big_endian(path, pixels):
    """A 16-bit TIFF as a big-endian machine writes it."""
    Image.fromarray((pixels * np.uint16(257)).astype(">u2")).save(path)
    with Image.open(path) as image:
        assert image.mode == "I;16B"


def _palette(path, pixels):
    image = Image.fromarray((pixels < 100).astype(np.uint8) * 7, "L")
    palette = Image.new("P", image.size)
    palette.putdata(list(image.tobytes()))
    palette.putpalette([220] * 3 + [0] * 18 + [20] * 3)  # the ink's number is the higher one
    palette.save(path)


def _transparent_palette(path, pixels):
    image = Image.new("P", pixels.shape[::-1])
    image.putdata([1 if value < 100 else 0 for value in pixels.ravel().tolist()])
    image.putpalette([20] * 6)  # both colours are the ink's; the paper's is transparent
    image.save(path, transparency=0)


def _turned(path, pixels):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.rot90(pixels)).save(path, exif=exif)


def _transparent(path, pixels, ink=20):
    opacity = np.where(pixels < 100, 255, 0).astype(np.uint8)
    Image.merge("LA", (Image.new("L", pixels.shape[::-1], ink), Image.fromarray(opacity))).save(path)


WRITERS = {
    "grey.png": lambda path, pixels: Image.fromarray(pixels).save(path),
    "colour.webp": lambda path, pixels: Image.fromarray(pixels).convert("RGB").save(path, lossless=True),
    "16bit.png": lambda path, pixels: Image.fromarray(pixels.astype(np.uint16) * 257).save(path),
    "12bit.png": lambda path, pixels: Image.fromarray(pixels.astype(np.uint16) * 16).save(path),
    "16bit.tif": lambda path, pixels: Image.fromarray(pixels.astype(np.uint16) * 257).save(path),
    "big-endian.tif": _big_endian,
    "32bit.tif": lambda path, pixels: Image.fromarray(pixels.astype(np.int32) * 257).save(path),
    "float.tif": lambda path, pixels: Image.fromarray(pixels.astype(np.float32) / 255).save(path),
    "float255.tif": lambda path, pixels: Image.fromarray(pixels.astype(np.float32)).save(path),
    "cmyk.tif": lambda path, pixels: Image.fromarray(pixels).convert("RGB").convert("CMYK").save(path),
    "cmyk.jpg": lambda path, pixels: Image.fromarray(pixels).convert("RGB").convert("CMYK").save(path, quality=95),
    "bits.png": lambda path, pixels: Image.fromarray(pixels > 100).save(path),
    "palette.gif": _palette,
    "transparent.gif": _transparent_palette,
    "transparent.png": _transparent,
    "turned.jpg": _turned,
    "phone.heic": lambda path, pixels: Image.fromarray(pixels).convert("RGB").save(path, quality=95),
    "frames.tif": lambda path, pixels: Image.fromarray(pixels).save(
        path, save_all=True, append_images=[Image.new("L", (9, 9))]
    ),
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_kind_of_picture_is_read_the_same_for_reading_and_for_training(written, tmp_path, name):
    WRITERS[name](tmp_path / name, written)
    grey = load_grey(tmp_path / name)
    assert (grey.shape, grey.dtype) == ((40, 30), np.float32)
    assert 0.8 <= grey[4, 5] <= 1
    assert 0 <= grey[20, 13] <= 0.15
    image = find_source("folder").load(tmp_path).test.images[0, 0]
    assert image[14, 13] > 200
    assert image[2, 2] < 60


def test_transparent_paper_contrasts_with_the_ink(written, tmp_path):
    _transparent(tmp_path / "chalk.png", written, ink=240)
    grey = load_grey(tmp_path / "chalk.png")
    assert (grey[4, 5], round(float(grey[20, 13]), 2)) == (0, 0.94)
    page = np.dstack([written] * 3 + [np.full_like(written, 255)])
    page[:5, :, 3] = 0  # paper and ink of its own: its torn edge is as the paper is
    assert load_grey(Image.fromarray(page))[0, 0] == pytest.approx(220 / 255, abs=0.01)
    assert load_grey(page)[0, 0] == pytest.approx(220 / 255, abs=0.01)
    assert load_grey(np.zeros((5, 5, 4), np.uint8)).min() == 1


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.full((9, 9), np.nan, np.float32), "has pixels that are no numbers (NaN or infinite)"),
        (np.full((9, 9), np.inf, np.float32), "has pixels that are no numbers (NaN or infinite)"),
        (np.full((9, 9), -3, np.int32), "has pixels below 0 (-3), so that nobody knows what is black"),
    ],
)
def test_pixels_that_mean_nothing(tmp_path, values, reason):
    path = tmp_path / "odd.tif"
    Image.fromarray(values).save(path)
    for picture, name in ((path, str(path)), (path.read_bytes(), "the picture"), (values, "the picture")):
        with pytest.raises(UserError) as caught:
            load_grey(picture)
        assert str(caught.value) == f"{name} {reason}"
    with pytest.raises(UserError, match=r"odd\.tif has pixels"):
        find_source("folder").load(tmp_path)


def test_arrays():
    ramp = np.linspace(0, 1, 64).reshape(8, 8)
    for values in (ramp, (ramp * 255), (ramp * 65535).astype(np.uint16), np.dstack([ramp.astype(np.float32)] * 3)):
        np.testing.assert_allclose(load_grey(values), ramp, atol=1e-4)
    assert load_grey(ramp > 0.5).max() == 1


def test_no_program_is_started_by_what_a_file_holds(tmp_path, monkeypatch):
    """Pillow hands EPS to Ghostscript; a program of that name here would leave a file."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "gs").write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    (tmp_path / "bin" / "gs").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    (tmp_path / "pictures").mkdir()
    Image.new("RGB", (30, 30)).save(tmp_path / "pictures" / "1.png", "EPS")
    with pytest.raises(UserError, match=r"1\.png is EPS, which is not read; give JPEG"):
        find_source("folder").load(tmp_path / "pictures")
    assert not (tmp_path / "started").exists()


def test_pictures_that_are_too_large_are_named_before_they_are_decoded(tmp_path):
    for size, reason in ((14_000, "14000×14000|too many pixels"), (10_000, "10000×10000")):
        Image.new("1", (size, size)).save(tmp_path / "huge.png")
        with pytest.raises(UserError, match=rf"huge\.png has ({reason}).*at most 89 megapixels"):
            load_grey(tmp_path / "huge.png")
    Image.new("1", (8000, 6000), 1).save(tmp_path / "phone.png")
    assert load_grey(tmp_path / "phone.png").shape == (6000, 8000)


def test_torn_files_are_named(written, tmp_path):
    for name in ("a.png", "a.jpg", "a.tif", "a.webp"):
        generator = np.random.default_rng(0)
        Image.fromarray(generator.integers(0, 256, (90, 90)).astype(np.uint8)).save(tmp_path / name)
        content = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(content[: len(content) // 2])
        with pytest.raises(UserError, match=f"{name} (cannot be read|is not a picture)"):
            load_grey(tmp_path / name)


@pytest.mark.parametrize("kind", ["pipe", "socket", "folder", "device"])
def test_what_is_no_file_is_refused_without_waiting(tmp_path, kind):
    path = tmp_path / "1.png"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("1.png")  # within tmp_path, where the test is; longer names are not taken
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises(UserError) as caught:
        find_source("folder").load(tmp_path)
    assert str(caught.value) == f"{path} is a {kind}, not a picture's file"


def test_recognize_does_not_wait_for_a_pipe(tmp_path, digits):
    os.mkfifo(tmp_path / "pipe.png")
    for name in ("pipe.png", "*.png", "."):
        status, output, errors = digits("recognize", name)
        assert (status, output, errors) == (2, "", "digits: error: pipe.png is a pipe, not a picture's file\n")


def test_hidden_files_of_systems_are_no_pictures(written, tmp_path, digits):
    hidden = ("._1.png", ".DS_Store", "Thumbs.db", "desktop.ini")
    assert not any(is_picture_name(Path(name)) for name in hidden)
    for name in hidden:
        (tmp_path / name).write_bytes(b"\0\5\x16\7")
    Image.fromarray(written).save(tmp_path / "1.png")
    assert find_source("folder").load(tmp_path).test.names == ("1.png",)
    assert digits("recognize", ".")[0] == 0


def test_a_process_of_its_own_imports_no_torch_and_warns_of_nothing(tmp_path):
    Image.new("1", (10_000, 10_000)).save(tmp_path / "huge.png")
    code = """import sys
from digits.pictures import UserError, load_grey
try:
    load_grey("huge.png")
except UserError as error:
    print(error, "torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "huge.png has 10000×10000 pixels; at most 89 megapixels are read False\n"
    assert done.stderr == ""


def test_jpeg_of_many_scans_is_refused_before_it_is_decoded(tmp_path):
    file = attacks.many_scans()
    (tmp_path / "scans.jpg").write_bytes(file)
    start = time.process_time()
    for picture in (file, tmp_path / "scans.jpg"):
        with pytest.raises(UserError, match="is a JPEG of 4,006 scans; at most 100 are read"):
            load_grey(picture)
    assert time.process_time() - start < 1  # decoding takes a minute
    assert load_grey(attacks.many_scans(20)).shape == (2000, 2000)
