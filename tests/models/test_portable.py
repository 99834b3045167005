import pytest
import torch
from ship_weights import ship

from digits.errors import UserError
from digits.models import CNN, load_model, load_portable, save_portable


def test_a_model_survives_as_two_plain_files(tmp_path):
    torch.manual_seed(0)
    model = CNN(stages=[[8], [16]], test_time_shift=1).eval()
    model.temperature.fill_(0.5)
    save_portable(model, tmp_path / "net.safetensors", {"seed": 3})
    images = torch.rand(5, 1, 28, 28)
    loaded = load_portable(tmp_path / "net.safetensors")
    torch.testing.assert_close(loaded(images), model(images), rtol=0, atol=0)
    assert '"seed": 3' in (tmp_path / "net.json").read_text()


@pytest.mark.parametrize("broken", ["net.safetensors", "net.json"])
def test_broken_files(tmp_path, broken):
    save_portable(CNN(), tmp_path / "net.safetensors", {})
    (tmp_path / broken).write_bytes(b"torn")
    with pytest.raises(UserError, match=r"cannot read the weights in .*net.safetensors"):
        load_portable(tmp_path / "net.safetensors")


def test_a_finished_run_is_shipped(fit, tmp_path):
    run = fit("--seed_everything", "1")
    ship(run / "checkpoints" / "best.ckpt", tmp_path / "net.safetensors")
    images = torch.rand(5, 1, 28, 28)
    expected = load_model(run / "checkpoints" / "best.ckpt")(images)
    torch.testing.assert_close(load_portable(tmp_path / "net.safetensors")(images), expected, rtol=0, atol=0)
    assert '"test/accuracy"' in (tmp_path / "net.json").read_text()
