import pytest
import torch
from torch.nn import functional as F

import digits.models as models
from digits.models import DigitClassifier

FAMILIES = sorted(
    name
    for name in models.__all__
    if isinstance(value := getattr(models, name), type)
    and issubclass(value, DigitClassifier)
    and value not in (DigitClassifier, models.OnnxModel)  # which is tested in tests/exporting
)
MEMBERS = [{"class_path": f"digits.models.{name}", "hyper_parameters": {}} for name in ("MLP", "CNN")]
VARIANTS = [(name, {"members": MEMBERS} if name == "Ensemble" else {}) for name in FAMILIES] + [
    ("MLP", {"hidden": [], "normalization": "none"}),
    ("MLP", {"hidden": [32], "normalization": "layer", "dropout": 0.5}),
    ("CNN", {"stages": [[8, 8], [16]], "global_pooling": True, "hidden": [32], "dropout": 0.5}),
    ("CNN", {"stages": [[8], [16]], "normalization": "layer", "test_time_shift": 1}),
    ("CNN", {"stages": [[8]], "normalization": "none"}),
    ("MLP", {"hidden": [32], "stretch_contrast": True}),
]


@pytest.fixture(params=VARIANTS, ids=lambda variant: f"{variant[0]}-{'-'.join(variant[1])}")
def model(request):
    name, arguments = request.param
    torch.manual_seed(0)
    return getattr(models, name)(**arguments)


def test_forward_and_backward(model):
    images, labels = torch.rand(8, 1, 28, 28), torch.arange(8)
    logits = model(images)
    assert logits.shape == (8, 10)
    assert logits.isfinite().all()
    F.cross_entropy(logits, labels).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_one_image_and_none(model):
    model.eval()
    image = torch.rand(4, 1, 28, 28)
    torch.testing.assert_close(model(image[:1]), model(image)[:1], rtol=1e-4, atol=1e-5)
    assert model(image[:0]).shape == (0, 10)


def test_save_and_load(model, tmp_path):
    import pytorch_lightning as pl

    trainer = pl.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
    trainer.strategy.connect(model)
    trainer.save_checkpoint(tmp_path / "model.ckpt")
    loaded = type(model).load_from_checkpoint(tmp_path / "model.ckpt", weights_only=True)
    images = torch.rand(4, 1, 28, 28)
    torch.testing.assert_close(loaded.eval()(images), model.eval()(images), rtol=0, atol=0)


def test_standardizes_inside(model):
    """What leaves the first layer has the mean and deviation of MNIST taken out."""
    pixels = torch.zeros(1, 1, 28, 28)
    pixels[..., 0, 0] = 1
    pixels[..., 1:14, :] = 0.1307
    pixels[..., 14:, :] = 0.1307 + 0.3081
    standardized = model.standardize(pixels)
    assert standardized[..., 1:14, :].abs().max() < 1e-6
    assert standardized[..., 14:, :].mean() == pytest.approx(1.0)


def test_faint_ink_is_stretched_and_blank_paper_is_not():
    model = models.MLP(stretch_contrast=True)
    images = torch.rand(4, 1, 28, 28)
    images[:, :, 0, 0], images[:, :, 0, 1] = 0, 1
    torch.testing.assert_close(model.standardize(images * 0.3 + 0.5), model.standardize(images), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(model.standardize(images), models.MLP().standardize(images))
    blank = model.standardize(images * 0.02)
    torch.testing.assert_close(blank, models.MLP().standardize(images * 0.2), atol=1e-4, rtol=1e-4)


def test_answers_are_the_mean_over_shifted_copies():
    torch.manual_seed(0)
    plain, shifted = models.CNN().eval(), models.CNN(test_time_shift=2).eval()
    shifted.load_state_dict(plain.state_dict())
    images = torch.zeros(3, 1, 28, 28)
    images[:, :, 4:24, 4:24] = torch.rand(3, 1, 20, 20)
    copies = [images.roll(shift, (2, 3)) for shift in ((0, 0), (2, 0), (-2, 0), (0, 2), (0, -2))]
    mean = torch.stack([plain(copy).softmax(1) for copy in copies]).mean(0)
    torch.testing.assert_close(shifted(images).softmax(1), mean)
    torch.testing.assert_close(shifted.train()(images), plain.train()(images))


def test_ten_lines_are_a_new_model():
    class Linear(DigitClassifier):
        def __init__(self, **options):
            super().__init__(**options)
            self.network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10))

    assert Linear(label_smoothing=0.1)(torch.rand(2, 1, 28, 28)).shape == (2, 10)
