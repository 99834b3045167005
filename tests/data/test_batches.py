import pytest
import torch

from digits.data.batches import BatchDataset, BatchLoader, EvaluationBatches, TrainingBatches, TrainingLoader
from digits.data.images import DigitImages


def _batches(size=100, batch_size=16, seed=0, epoch=0, rank=0, world_size=1):
    return TrainingBatches(size, batch_size, seed=seed, epoch=epoch, rank=rank, world_size=world_size)


def _lists(batches):
    return [batch.tolist() for batch in batches]


def _dataset(size):
    images = torch.arange(size, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 28, 28).contiguous()
    return BatchDataset(DigitImages(images, torch.arange(size) % 10), torch.arange(size))


def test_order_is_a_function_of_seed_and_epoch():
    assert _lists(_batches()) == _lists(_batches())
    assert _lists(_batches()) != _lists(_batches(epoch=1))
    assert _lists(_batches()) != _lists(_batches(seed=1))
    moved = _batches()
    moved.set_epoch(1)
    assert _lists(moved) == _lists(_batches(epoch=1))


def test_an_epoch_has_no_image_twice():
    seen = [number for batch in _batches() for number in batch.tolist()]
    assert len(seen) == len(set(seen)) == 96


@pytest.mark.parametrize("world_size", [2, 4])
def test_processes_share_the_batches_of_one(world_size):
    shares = [_lists(_batches(rank=rank, world_size=world_size)) for rank in range(world_size)]
    together = [[number for part in parts for number in part] for parts in zip(*shares, strict=True)]
    assert together == _lists(_batches())


@pytest.mark.parametrize("world_size", [1, 2, 3])
@pytest.mark.parametrize("size", [1, 2, 25, 30])
def test_evaluation_takes_every_image_once_in_as_many_turns_everywhere(world_size, size):
    ranks = [EvaluationBatches(size, 10, rank=rank, world_size=world_size) for rank in range(world_size)]
    seen = sorted(number for rank in ranks for batch in rank for number in batch.tolist())
    assert seen == list(range(size))
    assert len({len(list(rank)) for rank in ranks}) == 1
    whole = _lists(EvaluationBatches(size, 10, rank=0, world_size=1))
    assert sorted(batch for rank in ranks for batch in _lists(rank) if batch) == sorted(whole)


@pytest.mark.parametrize("num_workers", [0, 1])
def test_loader_gathers_whole_batches(num_workers):
    loader = BatchLoader(
        _dataset(25), EvaluationBatches(25, 10, rank=0, world_size=1), num_workers=num_workers, pin_memory=False
    )
    batches = list(loader)
    assert [len(batch.images) for batch in batches] == [10, 10, 5]
    assert batches[1].images.shape == (10, 1, 28, 28)
    assert batches[1].images.dtype == torch.uint8
    assert batches[1].indices.tolist() == list(range(10, 20))
    assert (batches[1].images[:, 0, 0, 0] == batches[1].indices).all()


@pytest.mark.parametrize("num_workers", [0, 1])
def test_training_loader_goes_on_where_it_was(num_workers):
    def loader():
        return TrainingLoader(_dataset(100), _batches(epoch=3), num_workers=num_workers, pin_memory=False)

    whole = [batch.indices.tolist() for batch in loader()]
    first = loader()
    iterator = iter(first)
    begun = [next(iterator).indices.tolist() for _ in range(2)]
    second = loader()
    second.load_state_dict(first.state_dict())
    assert begun + [batch.indices.tolist() for batch in second] == whole
    assert len(second) == len(whole)
    assert len(list(second)) == len(whole), "only the resumed epoch is shortened"
