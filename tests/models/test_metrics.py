import numpy as np
import pytest
import torch
from sklearn import metrics as reference

from digits.errors import UserError
from digits.models import Predictions
from digits.models.metrics import PredictionStore, TrainingProgress


@pytest.fixture
def predictions():
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 10, (997,), generator=generator)
    logits = torch.randn(997, 10, generator=generator)
    logits[torch.arange(997), labels] += 2
    return Predictions(torch.arange(997), logits, labels)


def test_figures_equal_scikit_learns(predictions):
    truth, answers = predictions.labels.numpy(), predictions.logits.argmax(dim=1).numpy()
    probabilities = predictions.logits.double().softmax(dim=1).numpy()
    figures = predictions.figures()
    assert figures["accuracy"] == round(reference.accuracy_score(truth, answers), 7)
    assert figures["f1"] == pytest.approx(reference.f1_score(truth, answers, average="macro"), abs=1e-6)
    assert figures["loss"] == pytest.approx(reference.log_loss(truth, probabilities), abs=1e-6)
    assert figures["count"] == 997
    recalls = reference.recall_score(truth, answers, average=None)
    assert [figures[f"accuracy_of_{digit}"] for digit in range(10)] == pytest.approx(recalls, abs=1e-6)
    np.testing.assert_array_equal(predictions.confusion_matrix, reference.confusion_matrix(truth, answers))


def test_calibration_error_by_hand(predictions):
    confidences, answers = predictions.probabilities.double().max(dim=1)
    correct = (answers == predictions.labels).double()
    bins = torch.clamp((confidences * 15).ceil().long() - 1, 0, 14)
    inside = [bins == number for number in bins.unique()]
    gaps = [(confidences[mask].mean() - correct[mask].mean()).abs() * mask.sum() for mask in inside]
    assert predictions.figures()["ece"] == pytest.approx(float(sum(gaps)) / 997, abs=1e-5)


def test_store_returns_what_it_was_given_in_order_and_starts_afresh():
    store = PredictionStore()
    logits = torch.rand(5, 10)
    for part in ([3, 4], [], [0], [1, 2]):
        store.add(torch.tensor(part, dtype=torch.int64), logits[part], torch.tensor(part, dtype=torch.int64))
    gathered = store.gather()
    assert gathered.indices.tolist() == gathered.labels.tolist() == [0, 1, 2, 3, 4]
    torch.testing.assert_close(gathered.logits, logits)
    store.add(torch.tensor([7]), logits[:1], torch.tensor([7]))
    assert store.gather().indices.tolist() == [7]


def test_training_progress_continues_from_its_totals():
    batches = [(torch.tensor(float(n)), torch.eye(10)[:4] * n, torch.tensor([0, 1, 2, 9])) for n in (1, 2, 3)]
    whole, first, second = TrainingProgress(), TrainingProgress(), TrainingProgress()
    for batch in batches:
        whole.add(*batch)
    whole.count_all()
    first.add(*batches[0])
    second.continue_from(first.totals(), rank=0, world_size=1)
    for batch in batches[1:]:
        second.add(*batch)
    second.count_all()
    assert second.compute() == whole.compute()
    assert float(whole.compute()["accuracy"]) == 0.75


def test_training_progress_of_several_processes():
    totals = {"loss": torch.tensor([1.0, 2.0]), "correct": torch.tensor([3, 4]), "count": torch.tensor([5, 6])}
    for rank in (0, 1):
        same = TrainingProgress()
        same.continue_from(totals, rank, world_size=2)
        assert [float(same.loss), int(same.correct), int(same.count)] == [1.0 + rank, 3 + rank, 5 + rank]
        fewer = TrainingProgress()
        fewer.continue_from(totals, rank, world_size=1 if rank == 0 else 3)
        assert int(fewer.count) == (11 if rank == 0 else 0)


def test_training_progress_weighs_each_batch_by_its_size():
    progress = TrainingProgress()
    for number in range(200):  # more than are counted at once
        size = 1 + number % 3
        progress.add(torch.tensor(float(size)), torch.eye(10)[:size], torch.zeros(size, dtype=torch.int64))
    progress.count_all()
    sizes = [1 + number % 3 for number in range(200)]
    assert int(progress.count) == sum(sizes)
    assert float(progress.loss) == sum(size * size for size in sizes)
    assert int(progress.correct) == 200


def test_coverage_withholds_the_least_confident_answers():
    """Of 1,000 answers the 10th and the 2 least confident ones are wrong."""
    confidence = torch.linspace(9, 1, 1000)
    logits = torch.nn.functional.one_hot(torch.full((1000,), 3), 10) * confidence[:, None]
    labels = torch.full((1000,), 3)
    labels[[9, 998, 999]] = 4
    order = torch.randperm(1000, generator=torch.Generator().manual_seed(0))
    predictions = Predictions(torch.arange(1000), logits[order], labels[order])
    assert predictions.coverage(0.9979) == 0.999  # two of 999 are wrong
    assert predictions.coverage(0.9985) == 0.998  # one of 998
    assert predictions.coverage(0.9995) == 0.009  # those before the first mistake
    assert predictions.figures()["coverage_at_0.999"] == 0.009
    assert Predictions(torch.arange(5), logits[:5], torch.zeros(5, dtype=torch.int64)).coverage(0.5) == 0


def test_answers_that_are_no_numbers_are_refused():
    for value in (torch.nan, torch.inf):
        logits = torch.zeros(3, 10)
        logits[1, 4] = value
        with pytest.raises(UserError, match="answers with NaN"):
            Predictions(torch.arange(3), logits, torch.zeros(3, dtype=torch.int64)).checked()
