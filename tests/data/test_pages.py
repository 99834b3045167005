from functools import cache

import numpy as np
import pytest
import torch

from digits.data import PagesDataModule, find_source
from digits.data.pages import Composer, load_sprites
from digits.data.pages.datamodule import PageNumbers
from digits.data.pages.layouts import LAYOUTS
from digits.errors import UserError


@cache
def drawn(folder):
    train = find_source("mnist").load(folder).train
    return load_sprites(train.images[:500, 0].numpy(), train.labels[:500].numpy(), None)


@pytest.fixture
def sprites(mnist_dir):
    return drawn(mnist_dir)


def test_a_page_is_a_function_of_seed_and_number(sprites):
    composer = Composer(sprites, seed=3)
    pages = [composer(number) for number in (7, 8)]
    again = Composer(sprites, seed=3)(7)
    assert np.array_equal(pages[0].image, again.image)
    assert np.array_equal(pages[0].boxes, again.boxes)
    assert not np.array_equal(pages[0].image, pages[1].image)
    assert not np.array_equal(pages[0].image, Composer(sprites, seed=4)(7).image)


def test_pages_of_every_kind(sprites):
    composer = Composer(sprites, seed=0)
    pages = [composer(number) for number in range(150)]
    assert {page.kind for page in pages} == set(LAYOUTS)
    for page in pages:
        assert page.image.shape == (256, 256)
        assert page.image.dtype == np.uint8
        assert len(page.boxes) == len(page.labels) == len(page.lines)
        assert (page.boxes[:, 2:] > page.boxes[:, :2]).all()
        assert page.boxes.min(initial=0) >= 0
        assert page.boxes.max(initial=0) <= 256
    assert all((page.labels < 0).all() for page in pages if page.kind == "nothing")
    counts = np.bincount(np.concatenate([page.labels[page.labels >= 0] for page in pages]), minlength=10)
    assert counts.min() > 0.5 * counts.mean()


def test_a_box_lies_around_its_digit(sprites):
    """Within the boxes of a page of one digit lies what differs from its paper."""
    composer = Composer(sprites, seed=1)
    singles = [page for page in map(composer, range(400)) if page.kind == "single" and (page.labels >= 0).sum() == 1]
    within = []
    for page in singles:
        left, top, right, bottom = page.boxes[page.labels >= 0][0].astype(int)
        grey = page.image.astype(float)
        different = abs(grey - np.median(grey)) > 0.5 * np.ptp(grey)
        if different.any():
            within.append(different[top - 3 : bottom + 3, left - 3 : right + 3].sum() / different.sum())
    assert np.median(within) > 0.98


def test_numbers_of_pages_never_come_twice_and_resume_where_they_were():
    def numbers(epoch, skip=0, rank=0, world_size=1):
        sampler = PageNumbers(20, 4, epoch=epoch, rank=rank, world_size=world_size)
        sampler.skip = skip
        return [batch.tolist() for batch in sampler]

    both = numbers(0) + numbers(1)
    assert [number for batch in both for number in batch] == list(range(40))
    assert numbers(1, skip=2) == both[7:]
    shares = [numbers(0, rank=rank, world_size=2) for rank in (0, 1)]
    assert [a + b for a, b in zip(*shares, strict=True)] == both[:5]


def test_the_same_batches_in_whatever_processes(mnist_dir):
    def batches(workers):
        settings = {"batch_size": 3, "pages_per_epoch": 6, "subset": 300, "num_workers": workers, "side": 128}
        data = PagesDataModule(source="mnist", data_dir=str(mnist_dir), **settings)
        data.setup("fit")
        return list(data.train_dataloader())

    for here, there in zip(batches(0), batches(2), strict=True):
        assert all(torch.equal(a, b) for a, b in zip(here, there, strict=True))
        assert here.pages.shape == (3, 1, 128, 128)


def test_settings_that_cannot_be(mnist_dir):
    with pytest.raises(UserError, match=r"data\.side is 100; it must be a multiple of 16"):
        PagesDataModule(side=100)
    with pytest.raises(UserError, match=r"data\.typefaces: the folder nowhere does not exist"):
        PagesDataModule(typefaces="nowhere")
    with pytest.raises(UserError, match=r"data\.pages_per_epoch is 4"):
        PagesDataModule(pages_per_epoch=4)
