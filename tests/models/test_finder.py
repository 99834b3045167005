import numpy as np
import pytest
import torch

from digits.boxes import STRIDE, UNIT, Candidates, decode, gaps, in_lines, unite
from digits.models import Finder
from digits.models.finder import finder_loss
from digits.models.page_figures import PageFigures

BOXES = torch.tensor([[20.0, 30, 44, 70], [60, 28, 76, 66], [150, 40, 190, 100], [20, 120, 60, 180]])
LABELS = torch.tensor([3, 1, 8, 0])
LINES = torch.tensor([0, 0, 0, 1])


def perfect_maps(boxes=BOXES, labels=LABELS, side=256):
    maps = torch.full((15, side // STRIDE, side // STRIDE), -12.0)
    for box, label in zip(boxes, labels, strict=True):
        column, row = ((box[:2] + box[2:]) / 2 / STRIDE).long().tolist()
        middle = (torch.tensor([column, row]) + 0.5) * STRIDE
        reach = torch.cat([middle - box[:2], box[2:] - middle])
        maps[0, row, column] = 8
        for y in range(row - 3, row + 4):  # near the middle the box is the same, and the middle elsewhere
            for x in range(column - 3, column + 4):
                shift = (torch.tensor([x, y]) + 0.5) * STRIDE - middle
                maps[11:15, y, x] = ((reach + torch.cat([shift, -shift])).clamp(min=1) / UNIT).log()
                maps[1 + label, y, x] = 12
        assert reach.min() > 0
    return maps


def test_perfect_maps_are_read_perfectly():
    found = unite(decode(perfect_maps().numpy(), (256, 256)))
    order = np.lexsort((found.boxes[:, 0], found.boxes[:, 1] > 110))
    assert np.allclose(found.boxes[order], BOXES, atol=1e-3)
    figures = PageFigures()
    figures.add(found, BOXES, LABELS, LINES, 0.4)
    values = figures.figures()
    assert values["map"] == pytest.approx(1.0)
    assert values["digit_error_rate"] == values["invented_per_page"] == values["missed"] == 0
    assert values["count"] == 4


def test_figures_count_what_is_wrong():
    found = unite(decode(perfect_maps(labels=torch.tensor([3, 7, 8, 0])).numpy(), (256, 256)))
    figures = PageFigures()
    figures.add(found, BOXES[:3], LABELS[:3], LINES[:3], 0.4)  # the fourth is invented, the second misread
    empty = Candidates(np.zeros((0, 4), np.float32), np.zeros(0), np.zeros((0, 10), np.float32))
    figures.add(empty, BOXES[:1], LABELS[:1], LINES[:1], 0.4)
    values = figures.figures()
    assert values["invented_per_page"] == 0.5
    assert values["missed"] == 0.25
    # 381 read as 378 and, a line below, 0; 3 not at all.
    assert values["digit_error_rate"] == pytest.approx((1 + 2 + 1) / 4)


def test_digits_that_do_not_matter_are_neither_missed_nor_invented():
    found = unite(decode(perfect_maps().numpy(), (256, 256)))
    figures = PageFigures()
    figures.add(found, BOXES, torch.tensor([3, 1, -1, 0]), LINES, 0.4)
    assert figures.figures()["invented_per_page"] == figures.figures()["missed"] == 0
    assert figures.figures()["map"] == pytest.approx(1.0)


def test_the_loss_is_least_where_all_is_right():
    right = finder_loss(perfect_maps()[None], BOXES[None], LABELS[None])
    assert right["centre"] < 0.01
    assert right["box"] < 0.1
    wrong = finder_loss(perfect_maps(labels=torch.tensor([4, 4, 4, 4]))[None], BOXES[None], LABELS[None])
    assert wrong["class"] > right["class"] + 5
    elsewhere = finder_loss(perfect_maps(BOXES + 12)[None], BOXES[None], LABELS[None])
    assert elsewhere["centre"] > 1
    ignored = finder_loss(perfect_maps()[None], BOXES[None], torch.tensor([[3, 1, 8, -1]]))
    assert ignored["centre"] < 0.01


def test_a_page_without_digits_has_a_loss():
    parts = finder_loss(torch.zeros(2, 15, 16, 16, requires_grad=True), torch.zeros(2, 1, 4), torch.full((2, 1), -2))
    sum(parts.values()).backward()


def test_one_box_of_several_that_cover_each_other():
    boxes = np.array([[0, 0, 20, 30], [1, 1, 21, 31], [5, 5, 14, 14], [40, 0, 60, 30]], dtype=np.float32)
    logits = np.eye(4, 10, dtype=np.float32)
    kept = unite(Candidates(boxes, np.array([0.9, 0.6, 0.8, 0.3]), logits))
    assert kept.boxes.tolist() == [boxes[0].tolist(), boxes[3].tolist()]
    assert kept.logits[0] == pytest.approx((0.9 * logits[0] + 0.6 * logits[1]) / 1.5)


def test_lines_and_the_gaps_between_numbers():
    row = np.array([[0, 0, 20, 30], [24, 0, 44, 30], [100, 2, 120, 32]], dtype=np.float32)
    boxes = np.concatenate([row + np.array([0, 60, 0, 60]), row]).astype(np.float32)
    assert in_lines(boxes) == [[3, 4, 5], [0, 1, 2]]
    assert gaps(boxes, [3, 4, 5]) == [False, True]
    assert in_lines(np.zeros((0, 4), dtype=np.float32)) == []


def test_the_network_answers_pages_of_any_size():
    finder = Finder().eval()
    assert finder(torch.rand(2, 1, 64, 96)).shape == (2, 15, 16, 24)
    assert finder.maps(np.zeros((1, 1, 32, 32), dtype=np.float32)).shape == (1, 15, 8, 8)
