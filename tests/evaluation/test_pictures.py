import torch

from digits.evaluation import confusion_matrix_figure, mistakes_figure, to_pixels
from digits.models import Predictions


def _predictions(wrong):
    labels = torch.arange(100) % 10
    logits = torch.zeros(100, 10)
    logits[torch.arange(100), labels] = 5
    for number in wrong:
        logits[number] = torch.eye(10)[(labels[number] + 1) % 10] * (6 + number)
    return Predictions(torch.arange(100), logits, labels)


def _texts(axes):
    return [text.get_text() for text in axes.texts]


def test_confusion_matrix_shows_every_count():
    axes = confusion_matrix_figure(_predictions([3, 13, 7]).confusion_matrix).axes[0]
    assert axes.get_title(loc="left") == "Confusion matrix: 3 of 100 wrong"
    assert sorted(int(text) for text in _texts(axes) if "%" not in text) == [1, 2, 8, 9, *[10] * 8]
    assert sorted(text for text in _texts(axes) if "%" in text) == sorted(
        ["10.00 %", "20.00 %", "80.00 %", "90.00 %", *["100.00 %"] * 8]
    )


def test_mistakes_begin_with_the_most_confident():
    figure = mistakes_figure(torch.zeros(100, 1, 28, 28, dtype=torch.uint8), _predictions([3, 7]))
    assert [text.split()[0] for text in _texts(figure.axes[0])] == ["7→8", "3→4"]


def test_pixels_of_a_figure():
    pixels = to_pixels(confusion_matrix_figure(_predictions([]).confusion_matrix))
    assert pixels.ndim == 3
    assert pixels.shape[2] == 3
    assert pixels.std() > 0
