"""What Lightning's Trainer takes, and its loggers."""

import csv

import pytest
import torch
import yaml


@pytest.mark.parametrize(("precision", "dtype"), [("64", torch.float64), ("bf16-true", torch.bfloat16)])
def test_weights_of_another_precision(fit, precision, dtype):
    run = fit("--trainer.precision", precision)
    state = torch.load(run / "checkpoints/best.ckpt", weights_only=True)["state_dict"]
    assert state["network.1.weight"].dtype == dtype


@pytest.mark.slow
def test_gradients_are_clipped_with_the_recipes_optimizer(fit):
    clipped = ["--config", "mlp", "--trainer.precision", "bf16-mixed", "--trainer.gradient_clip_val", "1e-12"]
    still = ["--model.optimizer", "SGD", "--model.optimizer.fused", "true", "--seed_everything", "1"]
    run = fit(*clipped, *still, "--trainer.limit_train_batches", "1")
    fresh = fit("--config", "mlp", *still, "--model.optimizer.lr", "0.0", "--trainer.limit_train_batches", "1")
    weights = [torch.load(r / "checkpoints/last.ckpt", weights_only=True)["state_dict"] for r in (run, fresh)]
    assert torch.allclose(weights[0]["network.1.weight"], weights[1]["network.1.weight"])


def test_a_logger_of_the_users_receives_configuration_and_test_figures(fit, tmp_path):
    fit("--trainer.logger", "CSVLogger", "--trainer.logger.save_dir", "logs")
    (table,) = tmp_path.glob("logs/**/metrics.csv")
    rows = list(csv.DictReader(table.open()))
    assert any(row.get("val/accuracy") for row in rows)
    assert any(row.get("test/accuracy") for row in rows)
    parameters = yaml.safe_load(table.with_name("hparams.yaml").read_text())
    assert parameters["data.source"] == "uci"


def test_a_logger_whose_package_is_missing(digits):
    pytest.importorskip("pytorch_lightning")
    try:
        import wandb  # noqa: F401
    except ModuleNotFoundError:
        status, _, errors = digits("fit", "--model", "MLP", "--data.source", "uci", "--trainer.logger", "WandbLogger")
        assert status == 2
        assert "wandb" in errors
        assert errors.count("\n") == 1
