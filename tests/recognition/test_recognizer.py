import difflib
import io
import json

import attacks
import numpy as np
import pytest
from PIL import Image, ImageOps

from digits.classes import TEN_DIGITS
from digits.data import find_source
from digits.errors import UserError
from digits.recognition import Recognizer
from tests.recognition.pages import Page, compose, sheet


@pytest.fixture(scope="module")
def recognizer():
    return Recognizer.pretrained()


@pytest.fixture
def written(mnist_dir):
    """MNIST's test digits: ``(10000, 28, 28)`` uint8, and what they are."""
    test = find_source("mnist").load(mnist_dir).test
    return test.images[:, 0].numpy(), test.labels.numpy()


@pytest.fixture
def photos(mnist_dir):
    folder = mnist_dir.parent / "photos"
    if not folder.is_dir():
        pytest.skip("the photos lie beside MNIST's folder, as ../photos")
    return folder


def test_real_photos(recognizer, photos):
    truth = json.loads((photos / "truth.json").read_text())
    wrong = [name for name, lines in truth.items() if recognizer.read(photos / name).text.split("\n") != lines]
    assert len(wrong) <= 1, wrong


PAGES = {
    "plain": Page(),
    "tilted": Page(tilt=17, digits=40),
    "tilted the other way": Page(tilt=-12, digits=40),
    "noise": Page(noise=0.06),
    "shadow": Page(shadow=0.5, digits=40),
    "ruled": Page(rules="lines"),
    "squared": Page(rules="squares"),
    "ruled, tilted, in shadow": Page(rules="lines", tilt=7, noise=0.03, shadow=0.3),
    "small": Page(size=15, digits=100, per_line=20),
    "large": Page(size=300, digits=3, per_line=3),
    "blue": Page(ink=(60, 90, 200)),
    "pencil": Page(ink=(130, 130, 130), noise=0.02),
    "chalk": Page(ink=(240, 240, 240), paper=(30, 40, 35), noise=0.02),
    "two": Page(digits=2, size=60),
    "many": Page(digits=200, per_line=20, size=30, tilt=4, noise=0.03, shadow=0.3, rules="lines"),
}


def test_composed_pages(recognizer, written):
    """At least 98 % of all digits, in the right order, on pages of every kind, and 95 % of each."""
    right = count = 0
    for name, page in PAGES.items():
        picture, lines = compose(page, *written)
        found = recognizer.read(picture).text.split("\n")
        assert len(found) == len(lines), name
        pairs = [difflib.SequenceMatcher(None, *pair, autojunk=False) for pair in zip(found, lines, strict=True)]
        here = sum(block.size for pair in pairs for block in pair.get_matching_blocks())
        assert here >= 0.95 * page.digits, (name, found, lines)
        right, count = right + here, count + page.digits
    assert right >= 0.98 * count


@pytest.mark.parametrize("separators", [False, True])
def test_a_sheet_of_ten_by_ten(recognizer, written, separators):
    picture, rows = sheet(*written, separators=separators)
    page = recognizer.read(picture)
    assert [len(line) for line in page.lines] == [10] * 10
    answers = page.text.split("\n")
    assert sum(a == b for row, line in zip(answers, rows, strict=True) for a, b in zip(row, line, strict=True)) >= 98


def test_a_digit_of_mnist_passes_unchanged(recognizer, written):
    images, labels = written
    for picture in (images[0], 255 - images[0]):
        (reading,) = recognizer.read(picture).lines[0]
        assert np.array_equal((reading.crop * 255).round().astype(np.uint8), images[0])
        assert reading.digit == labels[0]


def test_boxes_lie_around_the_digits(recognizer, written):
    page = Page(digits=6, per_line=3, tilt=10, size=50)
    picture, _ = compose(page, *written)
    dark = np.asarray(picture.convert("L")) < 120
    found = np.zeros_like(dark)
    for line in recognizer.read(picture).lines:
        for reading in line:
            left, top, right, bottom = reading.box
            assert 30 < max(right - left, bottom - top) < 80
            found[top:bottom, left:right] = True
    assert dark[found].sum() > 0.98 * dark.sum()


def test_the_layout_of_a_single_digit_joins_what_lies_apart(recognizer, written):
    images, labels = written
    five = int(np.nonzero(labels == 5)[0][0])
    picture = np.zeros((200, 200), dtype=np.uint8)
    picture[30:170, 30:170] = np.asarray(Image.fromarray(images[five]).resize((140, 140)))
    picture[90:96] = 0  # cut in two
    page = recognizer.read(255 - picture, layout="digit")
    assert page.text == "5"
    with pytest.raises(UserError, match="unknown layout 'sheet'; choose from: auto, digit, page"):
        recognizer.read(picture, layout="sheet")


def test_touching_digits_are_cut(recognizer, written):
    images, labels = written
    four, seven = (int(np.nonzero(labels == digit)[0][1]) for digit in (4, 2))
    picture = np.zeros((28, 56), dtype=np.uint8)
    picture[:, :28] = images[four]
    gap = int(np.nonzero(images[four].any(axis=0))[0][-1]) - int(np.nonzero(images[seven].any(axis=0))[0][0])
    picture[:, gap : gap + 28] = np.maximum(picture[:, gap : gap + 28], images[seven])
    picture = np.pad(np.asarray(Image.fromarray(picture).resize((280, 140))), 60)
    assert recognizer.read(picture, layout="page").text == "42"


def test_blank_paper_and_specks_show_no_digit(recognizer):
    generator = np.random.default_rng(0)
    paper = np.clip(generator.normal(0.9, 0.02, (400, 600)), 0, 1)
    assert recognizer.read(paper).lines == []
    assert recognizer.read(np.ones((50, 50))).lines == []
    assert recognizer.read(np.zeros((1, 1))).lines == []


@pytest.mark.parametrize("layout", ["auto", "digit", "page"])
@pytest.mark.parametrize("grey", [0, 128, 255])
def test_an_empty_picture_of_mnists_size_shows_no_digit(recognizer, layout, grey):
    blank = np.full((28, 28), grey, np.uint8)
    blank[3, 4] ^= 1  # as JPEG leaves it
    page = recognizer.read(blank, layout)
    assert (page.text, page.rejected) == ("", [])


def test_specks_beside_digits_are_ignored(recognizer, written):
    picture, lines = compose(Page(digits=8, per_line=4, size=60), *written)
    generator = np.random.default_rng(1)
    pixels = np.asarray(picture).copy()
    for row, column in generator.integers(5, np.array(pixels.shape[:2]) - 5, (60, 2)):
        pixels[row : row + 3, column : column + 3] = 40
    assert recognizer.read(pixels).text.split("\n") == lines


def test_turned_and_transparent_pictures(recognizer, written, tmp_path):
    picture, lines = compose(Page(digits=8, per_line=4, size=60), *written)
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side, to be turned by a quarter
    picture.rotate(90, expand=True).save(tmp_path / "turned.jpg", exif=exif)
    assert recognizer.read(tmp_path / "turned.jpg").text.split("\n") == lines
    grey = ImageOps.grayscale(picture)
    ink = Image.new("RGBA", picture.size)
    ink.putalpha(ImageOps.invert(grey).point(lambda value: max(0, value - 40)))
    content = io.BytesIO()
    ink.save(content, "PNG")
    assert recognizer.read(content.getvalue()).text.split("\n") == lines


def test_photos_of_phones(recognizer, written, tmp_path, monkeypatch):
    picture, lines = compose(Page(digits=4, per_line=4, size=60), *written)
    picture.save(tmp_path / "phone.heic")
    assert recognizer.read(tmp_path / "phone.heic").text.split("\n") == lines
    monkeypatch.setattr("digits.pictures.READS_HEIC", False)
    (tmp_path / "phone.heic").write_bytes(b"no opener is registered")
    with pytest.raises(
        UserError, match=r"phone.heic is HEIC, for which an extra is needed: pip install 'digits\[heic\]'"
    ):
        recognizer.read(tmp_path / "phone.heic")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the picture is not a picture that can be read"),
        (b"<svg/>", "the picture is SVG, which is not read; give JPEG"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 40, "the picture"),
    ],
)
def test_what_is_no_picture(recognizer, content, message):
    with pytest.raises(UserError, match=message):
        recognizer.read(content)


def test_torn_and_huge_pictures(recognizer, tmp_path):
    content = io.BytesIO()
    Image.new("L", (300, 300), 255).save(content, "JPEG")
    with pytest.raises(UserError, match="cannot be read"):
        recognizer.read(content.getvalue()[:200] + b"torn")
    huge = io.BytesIO()
    Image.new("1", (6000, 5000)).save(huge, "PNG")
    with pytest.raises(UserError, match=r"6000×5000 pixels; at most 25 megapixels are read"):
        recognizer.read(huge.getvalue())
    with pytest.raises(UserError, match=r"gone\.png does not exist"):
        recognizer.read(tmp_path / "gone.png")
    with pytest.raises(UserError, match=r"an array \(H, W\)"):
        recognizer.read(np.zeros((3, 4, 5, 6)))


def test_pattern_of_wide_marks_is_cut_at_the_widest_alone():
    """Each of a thousand ellipses might be six digits that touch."""
    seen = []

    class Counting:
        class_names = TEN_DIGITS

        def probabilities(self, images):
            seen.append(len(images))
            return np.full((len(images), 10), 0.1, dtype=np.float32)

    Recognizer(Counting()).read(attacks.flat_ellipses())
    assert 1000 < sum(seen) < 4000


def test_a_network_that_answers_no_numbers_is_refused():
    class Lost:
        class_names = tuple("0123456789")

        def probabilities(self, images):
            return np.full((len(images), 10), np.nan, np.float32)

    recognizer = Recognizer(Lost())
    digit, page = (255 * np.eye(side, dtype=np.uint8) for side in (28, 200))
    page[50:100, 20:180] = 255  # a mark that is as wide as several digits
    for picture in (digit, page):
        with pytest.raises(UserError, match="answers with NaN"):
            recognizer.read(picture)
    with pytest.raises(UserError, match="answers with NaN"):
        recognizer.check()
