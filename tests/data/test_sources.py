import gzip
import re
import shutil
import struct
import threading
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import torch
import torchvision.datasets as published
from PIL import Image

from digits.data import DataNotFoundError, DigitsDataModule, find_source
from digits.data.download import md5_of
from digits.data.sources.uci import enlarge
from digits.errors import UserError


def _idx(array):
    code = {"uint8": 0x08, "int32": 0x0C}[array.dtype.name]
    content = array.astype(">i4").tobytes() if code == 0x0C else array.tobytes()
    return gzip.compress(struct.pack(f">BBBB{array.ndim}I", 0, 0, code, array.ndim, *array.shape) + content)


@pytest.fixture
def classic_files(tmp_path):
    """Four IDX files as MNIST has them, small, and their MD5 sums."""
    folder = tmp_path / "served"
    folder.mkdir()
    generator = np.random.default_rng(0)
    for part, count in (("train", 30), ("t10k", 20)):
        images = generator.integers(0, 256, (count, 28, 28)).astype(np.uint8)
        (folder / f"{part}-images-idx3-ubyte.gz").write_bytes(_idx(images))
        (folder / f"{part}-labels-idx1-ubyte.gz").write_bytes(_idx((np.arange(count) % 10).astype(np.uint8)))
    return folder


@pytest.fixture
def small_mnist(classic_files, monkeypatch):
    """Publish the small files as MNIST from a real HTTP server on this machine."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(classic_files))
    handler.func.log_message = lambda *_: None
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    resources = [(path.name, md5_of(path)) for path in sorted(classic_files.iterdir(), reverse=True)]
    monkeypatch.setattr(published.MNIST, "resources", resources)
    monkeypatch.setattr(published.MNIST, "mirrors", ["http://127.0.0.1:9/", f"http://127.0.0.1:{server.server_port}/"])
    yield find_source("mnist")
    server.shutdown()


def test_downloads_from_the_first_mirror_that_answers(small_mnist, tmp_path):
    small_mnist.prepare(tmp_path)
    digits = small_mnist.load(tmp_path)
    assert digits.train.images.shape == (30, 1, 28, 28)
    assert digits.train.images.dtype == torch.uint8
    assert digits.test.labels.tolist() == [number % 10 for number in range(20)]
    assert len(digits.fingerprint) == 4
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize("damage", ["truncated", "altered"])
def test_damaged_file_is_named_and_fetched_again(small_mnist, tmp_path, damage):
    small_mnist.prepare(tmp_path)
    path = tmp_path / "MNIST/raw/train-images-idx3-ubyte.gz"
    content = path.read_bytes()
    path.write_bytes(content[:-100] if damage == "truncated" else content[:-1] + b"x")
    with pytest.raises(DataNotFoundError, match=r"train-images-idx3-ubyte.gz \(damaged; MD5 "):
        small_mnist.load(tmp_path)
    with pytest.warns(UserWarning, match="train-images-idx3-ubyte.gz is damaged"):
        small_mnist.prepare(tmp_path)
    assert path.read_bytes() == content


def test_damaged_file_without_a_mirror_is_never_used(small_mnist, tmp_path, monkeypatch):
    small_mnist.prepare(tmp_path)
    (tmp_path / "MNIST/raw/t10k-labels-idx1-ubyte.gz").write_bytes(b"")
    monkeypatch.setattr(published.MNIST, "mirrors", ["http://127.0.0.1:9/"])
    with (
        pytest.warns(UserWarning, match="is damaged"),
        pytest.raises(DataNotFoundError, match=r"t10k-labels-idx1-ubyte.gz \(damaged"),
    ):
        small_mnist.prepare(tmp_path)


def test_mirror_that_serves_something_else(small_mnist, classic_files, tmp_path):
    (classic_files / "train-labels-idx1-ubyte.gz").write_bytes(b"a captive portal")
    with pytest.raises(DataNotFoundError, match=r"MD5 sum .* instead of"):
        small_mnist.prepare(tmp_path)
    assert not (tmp_path / "MNIST/raw/train-labels-idx1-ubyte.gz").exists()


def test_real_mnist(mnist_dir):
    digits = find_source("mnist").load(mnist_dir)
    assert (len(digits.train), len(digits.test)) == (60_000, 10_000)
    assert digits.test.labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert digits.train.images.double().mean() / 255 == pytest.approx(0.1307, abs=1e-4)


@pytest.mark.parametrize(("name", "folder"), [("fashion", "FashionMNIST"), ("kmnist", "KMNIST")])
def test_siblings_read_the_same_files(classic_files, tmp_path, monkeypatch, name, folder):
    resources = [(path.name, md5_of(path)) for path in classic_files.iterdir()]
    monkeypatch.setattr(getattr(published, folder), "resources", resources)
    shutil.copytree(classic_files, tmp_path / folder / "raw")
    assert find_source(name).load(tmp_path).train.images.shape == (30, 1, 28, 28)


def test_qmnist_takes_the_class_from_its_rows(tmp_path, monkeypatch):
    raw = tmp_path / "QMNIST" / "raw"
    raw.mkdir(parents=True)
    labels = np.stack([np.arange(10), np.arange(100, 110)], axis=1).astype(np.int32)
    for part in ("train", "test"):
        (raw / f"qmnist-{part}-images-idx3-ubyte.gz").write_bytes(_idx(np.zeros((10, 28, 28), np.uint8)))
        (raw / f"qmnist-{part}-labels-idx2-int.gz").write_bytes(_idx(labels))
    resources = {
        part: [(f"http://127.0.0.1:9/{path.name}", md5_of(path)) for path in raw.glob(f"qmnist-{part}-*")]
        for part in ("train", "test")
    }
    monkeypatch.setattr(published.QMNIST, "resources", resources)
    assert find_source("qmnist").load(tmp_path).test.labels.tolist() == list(range(10))


def test_emnist_is_turned_upright(tmp_path, monkeypatch):
    raw = tmp_path / "EMNIST" / "raw"
    raw.mkdir(parents=True)
    lying = np.zeros((10, 28, 28), np.uint8)
    lying[:, 3, 20] = 255
    with zipfile.ZipFile(raw / "gzip.zip", "w") as archive:
        for part in ("train", "test"):
            archive.writestr(f"gzip/emnist-digits-{part}-images-idx3-ubyte.gz", _idx(lying))
            archive.writestr(f"gzip/emnist-digits-{part}-labels-idx1-ubyte.gz", _idx(np.arange(10).astype(np.uint8)))
    monkeypatch.setattr(published.EMNIST, "md5", md5_of(raw / "gzip.zip"))
    assert find_source("emnist-digits").load(tmp_path).train.images[0, 0, 20, 3] == 255


def test_uci_needs_nothing(tmp_path):
    digits = find_source("uci").load(tmp_path)
    assert (len(digits.train), len(digits.test)) == (1437, 360)
    assert digits.train.images.shape == (1437, 1, 28, 28)
    again = find_source("uci").load(tmp_path)
    assert torch.equal(digits.test.images, again.test.images)


def test_enlarged_digits_are_centred_as_mnists():
    image = torch.zeros(1, 8, 8)
    image[0, 1:5, 1:4] = 1
    large = enlarge(image)[0, 0].double()
    positions = torch.arange(28.0, dtype=torch.float64)
    assert (large.sum(1) @ positions / large.sum()) == pytest.approx(13.5, abs=0.6)
    assert (large.sum(0) @ positions / large.sum()) == pytest.approx(13.5, abs=0.6)


HEADER = ",".join(f"pixel{number}" for number in range(784))
GOOD = ",".join(["0"] * 784)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (f"3,{GOOD},7", "line 3: expected 785 values, found 786"),
        ("3,1,2", "line 3: expected 785 values, found 3"),
        (f",{GOOD}", "line 3: '' is not a label (any text in UTF-8)"),
        (f"3,{GOOD[:-1]}256", "line 3: '256' is not a pixel (a whole number in 0…255)"),
        (f"3,{GOOD[:-1]}-1", "line 3: '-1' is not a pixel (a whole number in 0…255)"),
        (f"3,{GOOD[:-1]}x", "line 3: 'x' is not a pixel (a whole number in 0…255)"),
        (f"3,{GOOD[:-1]}nan", "line 3: 'nan' is not a pixel (a whole number in 0…255)"),
        (f"3,{GOOD[:-1]}\uff17", "line 3: '\uff17' is not a pixel (a whole number in 0…255)"),
        (f"3\ufffd,{GOOD}", "line 3: '3\ufffd' is not a label (any text in UTF-8)"),
        (f'"3,{GOOD}', "line 3: expected 785 values, found 1"),
        (f"3,{GOOD[:-1]}99999", "line 3: '99999' is not a pixel (a whole number in 0…255)"),
    ],
)
def test_bad_row_of_a_csv_file_is_named(tmp_path, line, message):
    (tmp_path / "train.csv").write_text(f"label,{HEADER}\n1,{GOOD}\n{line}\n2,{GOOD}\n")
    with pytest.raises(UserError) as caught:
        find_source("csv").load(tmp_path)
    assert str(caught.value) == f"{tmp_path / 'train.csv'}, {message}"


ROWS = f"label,{HEADER}\n1,{GOOD[:-1]}255\n2,{GOOD}\n"


@pytest.mark.parametrize(
    "content",
    [
        ROWS.encode("utf-8-sig"),
        ROWS.encode("utf-16"),
        ROWS.encode("utf-16-le"),
        ROWS.encode("utf-16-be"),
        ROWS.replace("\n", "\r\n").encode(),
        ROWS.replace("\n", "\r").encode(),
        re.sub(r"(\w+)", r'"\1"', ROWS).encode(),
        (ROWS.replace(",", " , ") + "\n\n").encode(),
    ],
    ids=["BOM", "UTF-16", "UTF-16-LE", "UTF-16-BE", "CRLF", "CR", "quoted", "spaces and blank lines"],
)
def test_csv_in_every_spelling(tmp_path, content):
    (tmp_path / "train.csv").write_bytes(content)
    train = find_source("csv").load(tmp_path).train
    assert train.labels.tolist() == [1, 2]
    assert train.images.sum() == train.images[0, 0, 27, 27] == 255


def test_csv_files(tmp_path):
    (tmp_path / "train.csv").write_text(f"label,{HEADER}\n1,{GOOD[:-1]}255\n2,{GOOD}\n")
    (tmp_path / "test.csv").write_text(f"{HEADER}\n{GOOD}\n")
    digits = find_source("csv").load(tmp_path)
    assert digits.train.labels.tolist() == [1, 2]
    assert digits.train.images[0, 0, 27, 27] == 255
    assert digits.test.labels is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", ", line 1: the file is empty"),
        (b"\n", ", line 1: the file is empty"),
        (f"label,{HEADER}\n".encode(), " holds no images"),
        (f"1,{GOOD}\n".encode(), ", line 1: column 1 is '1', not pixel0; the columns must be [label,]pixel0"),
        (ROWS.replace(",", ";").encode(), ", line 1: column 1 is 'label;pixel0;pixel1;', not pixel0"),
        (ROWS.replace("pixel9,", "").encode(), ", line 1: column 11 is 'pixel10', not pixel9"),
        (ROWS.replace(",pixel783", "").encode(), ", line 1: column 785 is missing, not pixel783"),
        (ROWS.replace("pixel783", "pixel783,x").encode(), ", line 1: column 786 is 'x', not there"),
        (ROWS.encode() + b"\xff\xfe," + GOOD.encode(), ", line 4: '\ufffd\ufffd' is not a label"),
    ],
)
def test_csv_without_the_columns_or_rows(tmp_path, content, message):
    path = tmp_path / "train.csv"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        find_source("csv").load(tmp_path)
    assert str(caught.value).startswith(f"{path}{message}")


def _save(folder, digit, count, paper=255):
    (folder / str(digit)).mkdir(parents=True, exist_ok=True)
    for number in range(count):
        pixels = np.full((40, 30), paper, np.uint8)
        pixels[10:30, 14:17] = 255 - paper
        Image.fromarray(pixels).save(folder / str(digit) / f"{number}.png")


def test_folder_of_classes_is_read_with_ink_high(tmp_path):
    for digit in range(10):
        _save(tmp_path, digit, 5, paper=255 if digit % 2 else 0)
    digits = find_source("folder").load(tmp_path)
    assert (len(digits.train), len(digits.test)) == (40, 10)
    assert sorted(digits.test.labels.tolist()) == list(range(10))
    for image in digits.train.images:
        assert image.shape == (1, 28, 28)
        assert image[0, 14, 14] > 200
        assert image[0, 0].max() < 10
    assert digits.train.names[0].endswith(".png")


def test_folder_with_its_own_test_set(tmp_path):
    for digit in range(10):
        _save(tmp_path / "train", digit, 2)
    _save(tmp_path / "test", 0, 1)
    (tmp_path / "test" / "0" / "0.png").rename(tmp_path / "test" / "lone.png")
    (tmp_path / "test" / "0").rmdir()
    digits = find_source("folder").load(tmp_path)
    assert len(digits.train) == 20
    assert digits.test.labels is None
    assert digits.test.names == ("lone.png",)


def test_empty_class_folder_is_named(tmp_path):
    for digit in range(10):
        _save(tmp_path, digit, 0 if digit == 7 else 2)
    with pytest.raises(UserError) as caught:
        find_source("folder").load(tmp_path)
    assert str(caught.value) == f"the class folder {tmp_path / '7'} is empty; put images of '7' there, or take it away"


def test_file_that_is_no_image_is_named(tmp_path):
    for digit in range(10):
        _save(tmp_path, digit, 2)
    (tmp_path / "3" / "0.png").write_text("not a picture")
    with pytest.raises(UserError, match=r"3/0\.png is not a picture that can be read"):
        find_source("folder").load(tmp_path)


def test_unknown_source():
    with pytest.raises(UserError) as caught:
        find_source("kmnits")
    assert str(caught.value) == "unknown data source 'kmnits'; did you mean 'kmnist'?"


def _save_memmap(folder, count=50, dtype=np.uint8):
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (count, 28, 28)).astype(dtype)
    np.save(folder / "train-images.npy", images)
    np.save(folder / "train-labels.npy", (np.arange(count) % 10).astype(np.uint8))
    return images


def test_memmap_reads_what_numpy_saved(tmp_path):
    images = _save_memmap(tmp_path)
    digits = find_source("memmap").load(tmp_path)
    batch, labels = digits.train.gather(torch.tensor([3, 41, 3]))
    assert np.array_equal(batch[:, 0].numpy(), images[[3, 41, 3]])
    assert labels.tolist() == [3, 1, 3]
    assert labels.dtype == torch.int64
    assert digits.test is None
    fingerprint = digits.fingerprint
    images[7] += 1
    np.save(tmp_path / "train-images.npy", images)
    assert find_source("memmap").load(tmp_path).fingerprint != fingerprint


@pytest.mark.parametrize(
    ("file", "content", "complaint"),
    [
        ("train-images.npy", np.zeros((5, 28, 28), np.float32), "5×28×28 float32; it must be N×28×28 uint8"),
        ("train-images.npy", np.zeros((5, 784), np.uint8), "must be N×28×28 uint8"),
        ("train-images.npy", np.zeros((5, 28, 28), ">u2"), "5×28×28 >u2; it must be N×28×28 uint8"),
        ("train-images.npy", np.full((5, 28, 28), np.nan), "5×28×28 float64; it must be N×28×28 uint8"),
        ("train-labels.npy", np.uint8(4), "must be N integers"),
        ("train-labels.npy", np.zeros(50), "50 float64; it must be N integers"),
        ("train-labels.npy", np.full(50, -1), "labels -1 to"),
        ("train-labels.npy", np.full(50, 10**9), "the highest label is 1000000000"),
        ("train-labels.npy", np.zeros(4, np.uint8), "50 images and .* 4 labels"),
    ],
)
def test_memmap_names_what_is_wrong(tmp_path, file, content, complaint):
    _save_memmap(tmp_path)
    np.save(tmp_path / file, content)
    with pytest.raises(UserError, match=complaint):
        find_source("memmap").load(tmp_path)


def test_memmap_refuses_what_it_would_read_in_the_wrong_order(tmp_path):
    images = _save_memmap(tmp_path)
    np.save(tmp_path / "train-images.npy", np.asfortranarray(images))
    with pytest.raises(UserError, match=r"train-images\.npy is in Fortran's order.*ascontiguousarray"):
        find_source("memmap").load(tmp_path)


@pytest.mark.parametrize("name", ["train-images.npy", "train-labels.npy"])
def test_memmap_names_files_that_hold_no_array(tmp_path, name):
    _save_memmap(tmp_path)
    path = tmp_path / name
    whole = path.read_bytes()
    with (tmp_path / "archive").open("wb") as file:
        np.savez(file, np.zeros(3))
    for content, reason in {
        b"": "is not a file that numpy.save wrote",
        b"not numpy": "is not a file that numpy.save wrote",
        whole[:-1]: "is not a file that numpy.save wrote",
        whole[:60]: "is not a file that numpy.save wrote",
        (tmp_path / "archive").read_bytes(): "is an archive, as numpy.savez writes",
    }.items():
        path.write_bytes(content)
        with pytest.raises(UserError) as caught:
            find_source("memmap").load(tmp_path)
        assert str(caught.value).startswith(f"{path} {reason}")
        assert "\n" not in str(caught.value)


def test_memmap_names_missing_files(tmp_path):
    with pytest.raises(UserError, match=r"scripts/make_memmap\.py"):
        find_source("memmap").load(tmp_path)


@pytest.mark.parametrize("source", ["folder", "csv", "memmap"])
def test_nothing_stands_in_for_files_of_the_users_own(tmp_path, source):
    for data_dir in (tmp_path / "mistyped", tmp_path):
        data = DigitsDataModule(source=source, data_dir=str(data_dir), offline_source="uci")
        data.prepare_data()
        with pytest.raises(UserError, match=str(data_dir)):
            data.setup("fit")


def test_files_that_the_system_refuses_are_named(tmp_path):
    (tmp_path / "train.csv").symlink_to("/proc/self/mem")  # opens, and cannot be read
    with pytest.raises(UserError, match=f"{tmp_path} cannot be read: Input/output error"):
        DigitsDataModule(source="csv", data_dir=str(tmp_path), offline_source="uci").setup("fit")
