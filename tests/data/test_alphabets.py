import string

import numpy as np
import pytest
import torch
import torchvision.datasets as published

from digits.classes import TEN_DIGITS, classes_of, describe_classes
from digits.data import DataNotFoundError, DigitsDataModule, find_source
from digits.errors import UserError
from tests.alphabets import ALPHABET, make_csv, make_emnist, make_folder, move_half_to_test, pictures

EMNIST = {"letters": 26, "balanced": 47, "bymerge": 47, "byclass": 62}


@pytest.mark.parametrize("source", ["folder", "folder in two parts", "csv"])
def test_classes_are_what_the_labels_say(tmp_path, source):
    make = make_csv if source == "csv" else make_folder
    folder = make(tmp_path)
    if source == "folder in two parts":
        move_half_to_test(folder)
    data = DigitsDataModule(source=source.split()[0], data_dir=str(folder))
    assert data.class_names == tuple(ALPHABET)
    images, _ = pictures(len(ALPHABET), 1)
    for part in (data.digits.train, data.digits.test):
        for label in range(len(ALPHABET)):
            shown = part.images[(part.labels == label).nonzero()[0, 0], 0]
            assert ((shown.numpy() == 255) == (images[label] == 255)).all()


@pytest.mark.parametrize("split", EMNIST)
def test_emnist_counts_its_classes_as_torchvision_names_them(tmp_path, monkeypatch, split):
    classes, first_label = EMNIST[split], int(split == "letters")
    make_emnist(tmp_path, monkeypatch, split, classes, first_label)
    digits = find_source(f"emnist-{split}").load(tmp_path)
    names = published.EMNIST.classes_split_dict[split][first_label:]
    assert digits.class_names == tuple(names) == tuple(sorted(names))
    assert digits.train.labels.unique().tolist() == list(range(classes))
    assert np.array_equal(digits.test.images[:, 0].numpy(), pictures(classes, 4)[0])


@pytest.mark.parametrize(("source", "folder"), [("fashion", "FashionMNIST"), ("kmnist", "KMNIST")])
def test_siblings_of_mnist_have_names(source, folder):
    assert list(find_source(source).class_names) == getattr(published, folder).classes


def test_order_does_not_depend_on_the_machine():
    assert classes_of(["b", "10", "9", "B", "0", "é", "e\u0301"]) == ("0", "9", "10", "B", "b", "é")
    assert classes_of(["7", "3", "7"]) == TEN_DIGITS
    assert describe_classes(string.ascii_lowercase) == "26 classes (a, b, c, d, e, f, g, h, i, j, …, z)"


def test_some_of_the_ten_digits_are_ten_digits(tmp_path):
    make_folder(tmp_path, ["3", "7"])
    with pytest.warns(UserWarning, match="has no images of 0, 1, 2, 4, 5, 6, 8, 9"):
        digits = find_source("folder").load(tmp_path)
    assert digits.class_names == TEN_DIGITS
    assert digits.train.labels.unique().tolist() == [3, 7]


def test_unlabelled_images_name_no_classes(tmp_path):
    make_folder(tmp_path, ["x"])
    assert DigitsDataModule(source="folder", data_dir=str(tmp_path / "x")).class_names is None


@pytest.mark.parametrize("kind", ["u1", "i8", ">i4", "u2"])
def test_memmap_counts_to_its_highest_label(tmp_path, kind):
    images, labels = pictures(12, 5)
    np.save(tmp_path / "train-images.npy", images)
    np.save(tmp_path / "train-labels.npy", labels.astype(kind))
    data = DigitsDataModule(source="memmap", data_dir=str(tmp_path))
    assert data.class_names == tuple(map(str, range(12)))
    _, found = data.digits.train.gather(torch.arange(len(labels)))
    assert found.tolist() == labels.tolist()


def test_training_and_test_classes_that_differ_are_named(tmp_path):
    move_half_to_test(make_folder(tmp_path, ["a", "b", "c"]))
    for file in (tmp_path / "test" / "c").iterdir():
        file.unlink()
    (tmp_path / "test" / "c").rmdir()
    with pytest.raises(
        UserError, match=r"train has 3 classes \(a, b, c\), .*test 2 classes \(a, b\); make them the same"
    ):
        find_source("folder").load(tmp_path)


def test_label_that_only_the_test_file_has_is_named(tmp_path):
    make_csv(tmp_path)
    text = (tmp_path / "test.csv").read_text(encoding="utf-8")
    (tmp_path / "test.csv").write_text(text.replace("\na,", "\nq,"), encoding="utf-8")
    with pytest.raises(UserError, match=r"test\.csv has the label 'q', which train\.csv has not"):
        find_source("csv").load(tmp_path)


def test_one_class_is_not_enough(tmp_path):
    make_folder(tmp_path, ["a"])
    with pytest.raises(UserError, match="all 16 training images are of one class"):
        DigitsDataModule(source="folder", data_dir=str(tmp_path)).setup("fit")


def test_class_of_two_images_can_be_split(tmp_path):
    move_half_to_test(make_folder(tmp_path, ["a", "b"], 40))
    for file in sorted((tmp_path / "train" / "b").iterdir())[1:]:
        file.unlink()
    data = DigitsDataModule(source="folder", data_dir=str(tmp_path))
    data.setup("fit")
    assert len(data.training_indices) + len(data.validation_indices) == 21


def test_digits_do_not_stand_in_for_letters(tmp_path, monkeypatch):
    monkeypatch.setattr(published.EMNIST, "url", "http://127.0.0.1:9/gzip.zip")
    data = DigitsDataModule(source="emnist-letters", data_dir=str(tmp_path), offline_source="uci")
    with pytest.raises(DataNotFoundError, match=r"gzip\.zip \(missing"):
        data.prepare_data()


def test_a_thousand_classes(tmp_path):
    names = [f"class {number}" for number in range(1000)]
    images = np.zeros((2000, 784), np.uint8)
    images[:, :2] = np.stack(np.divmod(np.arange(2000) % 1000, 256), axis=1)
    header = ",".join(["label", *(f"pixel{number}" for number in range(784))])
    rows = [",".join([names[number % 1000], *map(str, image)]) for number, image in enumerate(images)]
    (tmp_path / "train.csv").write_text("\n".join([header, *rows]))
    data = DigitsDataModule(source="csv", data_dir=str(tmp_path))
    assert data.class_names == tuple(sorted(names))
    assert torch.equal(data.digits.train.labels[:1000], data.digits.train.labels[1000:])
