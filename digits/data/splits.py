"""Which training images train, and which validate. The test set has no part in this."""

from __future__ import annotations

import numpy as np
from sklearn.model_selection import StratifiedKFold
from torch import Tensor

from digits.errors import UserError

_LARGEST_VALIDATION_FRACTION = 0.2


def split_training_set(
    labels: Tensor, *, validation_size: int, num_folds: int | None, fold: int, subset: int | None, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Choose the indices that train and those that validate, stratified by ``labels`` ``(N,)``.

    With ``num_folds`` the validation set is that fold of a stratified k-fold; otherwise it has ``validation_size``
    images, but never more than a fifth of them all. ``subset`` keeps the first so many of the shuffled training
    images. The result depends on the arguments alone.

    Raises UserError for sizes that the data cannot give.
    """
    classes = labels.numpy()
    if classes.min() == classes.max():
        raise UserError(f"all {len(classes):,} training images are of one class; a network needs two to tell apart")
    generator = np.random.default_rng(seed)
    if num_folds is not None:
        if not 0 <= fold < num_folds:
            raise UserError(f"data.fold is {fold}; with data.num_folds {num_folds} it lies in 0…{num_folds - 1}")
        folds = StratifiedKFold(num_folds, shuffle=True, random_state=seed)
        try:
            _, validation = list(folds.split(classes, classes))[fold]
        except ValueError as error:
            raise UserError(f"the training images cannot be shared out to {num_folds} folds ({error})") from None
    else:
        size = min(validation_size, int(len(classes) * _LARGEST_VALIDATION_FRACTION))
        validation = _stratified_sample(classes, size, generator)
    training = generator.permutation(np.delete(np.arange(len(classes), dtype=np.int32), validation))
    if subset is not None:
        if subset > len(training):
            raise UserError(f"data.subset is {subset}, but there are {len(training)} training images")
        training = training[:subset]
    return training, np.sort(validation)


def _stratified_sample(classes: np.ndarray, size: int, generator: np.random.Generator) -> np.ndarray:
    """Choose ``size`` indices, of each class its share, rounded.

    scikit-learn's train_test_split passes through lists of Python's integers: 300 MB for eight million images.
    """
    values, counts = np.unique(classes, return_counts=True)
    shares = np.diff(np.cumsum(counts) * size // len(classes), prepend=0)
    chosen = [
        generator.choice(np.flatnonzero(classes == value), share, replace=False)
        for value, share in zip(values, shares, strict=True)
    ]
    return np.concatenate(chosen)
