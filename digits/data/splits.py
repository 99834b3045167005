"""Which training images train, and which validate. The test set has no part in this."""

from __future__ import annotations

import numpy as np
from sklearn.model_selection import StratifiedKFold, train_test_split
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
    indices = np.arange(len(classes))
    if num_folds is not None:
        if not 0 <= fold < num_folds:
            raise UserError(f"data.fold is {fold}; with data.num_folds {num_folds} it lies in 0…{num_folds - 1}")
        folds = StratifiedKFold(num_folds, shuffle=True, random_state=seed)
        training, validation = list(folds.split(indices, classes))[fold]
        training = np.random.default_rng(seed).permutation(training)
    else:
        size = min(validation_size, int(len(classes) * _LARGEST_VALIDATION_FRACTION))
        training, validation = train_test_split(indices, test_size=size, stratify=classes, random_state=seed)
    if subset is not None:
        if subset > len(training):
            raise UserError(f"data.subset is {subset}, but there are {len(training)} training images")
        training = training[:subset]
    return training, np.sort(validation)
