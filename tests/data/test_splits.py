import numpy as np
import pytest
import torch

from digits.data.splits import split_training_set
from digits.errors import UserError

LABELS = torch.arange(1000) % 10


def _split(labels=LABELS, **changes):
    options = {"validation_size": 100, "num_folds": None, "fold": 0, "subset": None, "seed": 0}
    return split_training_set(labels, **(options | changes))


def test_stratified_and_disjoint():
    training, validation = _split()
    assert sorted([*training, *validation]) == list(range(1000))
    assert np.bincount(LABELS[validation]).tolist() == [10] * 10


def test_seeded():
    assert _split()[1].tolist() == _split()[1].tolist()
    assert _split()[1].tolist() != _split(seed=1)[1].tolist()


def test_never_more_than_a_fifth_validates():
    assert len(_split(validation_size=5000)[1]) == 200


def test_folds_partition_the_training_set():
    parts = [_split(num_folds=5, fold=fold)[1] for fold in range(5)]
    assert sorted(np.concatenate(parts)) == list(range(1000))
    assert all(np.bincount(LABELS[part]).tolist() == [20] * 10 for part in parts)


def test_subset_is_the_first_of_the_shuffled_ones():
    whole, validation = _split()
    part, same_validation = _split(subset=50)
    assert part.tolist() == whole[:50].tolist()
    assert same_validation.tolist() == validation.tolist()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"subset": 901}, "data.subset is 901, but there are 900 training images"),
        ({"num_folds": 5, "fold": 5}, "data.fold is 5; with data.num_folds 5 it lies in 0…4"),
    ],
)
def test_sizes_that_the_data_cannot_give(options, message):
    with pytest.raises(UserError) as caught:
        _split(**options)
    assert str(caught.value) == message
