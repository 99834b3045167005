"""What cannot be kept exactly is refused in one line; what else people set works."""

import pytest
import torch

PLATEAU = ["--model.lr_scheduler=pytorch_lightning.cli.ReduceLROnPlateau", "--model.lr_scheduler.monitor=val/loss"]
QUICK = ["--model=MLP", "--data.source=uci", "--trainer.max_epochs=1", "--report=false"]
QUICK += ["--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false"]


def _callback(name, **settings):
    return [f"--trainer.callbacks+={name}", *(f"--trainer.callbacks.{key}={value}" for key, value in settings.items())]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (_callback("StochasticWeightAveraging", swa_lrs=0.01), "take EMAWeightAveraging"),
        (_callback("OnExceptionCheckpoint", dirpath="x"), "leave it out"),
        (["--trainer.val_check_interval=00:00:00:01"], "by the clock"),
        (["--trainer.enable_checkpointing=false"], "leave it out"),
        ([*PLATEAU, "--model.lr_scheduler.monitor=val/los"], "did you mean 'val/loss'?"),
        ([*PLATEAU, "--trainer.limit_val_batches=0"], "there is no validation"),
        (_callback("EarlyStopping", monitor="val/los"), "val/los"),
        (["--trainer.val_check_interval=50"], "val_check_interval"),
        (_callback("ModelCheckpoint", monitor="val_loss"), "did you mean 'val/loss'?"),
        (["--model.lr_scheduler=ReduceLROnPlateau", "--model.lr_scheduler.monitor=val/los"], "mean 'val/loss'?"),
        (_callback("LearningRateFinder"), "search for it with `sweep`"),
        (_callback("BatchSizeFinder"), "search for it with `sweep`"),
        (["--model.normalization=batch", "--data.batch_size=1"], "batch norm cannot train on a batch of one image"),
        (["--trainer.accelerator=tpu"], "torch_xla"),
        (["--trainer.precision=transformer-engine"], "transformer_engine"),
        (["--trainer.gradient_clip_algorithm=value"], "set trainer.gradient_clip_val"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_refused_in_one_line_without_a_trace(options, complaint, digits, tmp_path):
    status, _, errors = digits("fit", *QUICK, *options)
    assert status == 2
    (line,) = [line for line in errors.splitlines() if line.startswith("digits: error: ")]
    assert complaint in line
    assert "Traceback" not in errors
    assert not list(tmp_path.glob("runs/*/version_*"))


def test_a_trial_of_one_batch_is_no_resume(fit, digits):
    fit()
    status, _, errors = digits("fit", "--ckpt_path", "last", "--trainer.fast_dev_run", "true")
    assert status == 2
    assert "fast_dev_run tries a new run" in errors


def test_no_steps_are_logged_where_none_are_wanted(fit):
    assert (fit("--trainer.log_every_n_steps=0") / "metrics.json").exists()


def test_checkpoints_of_the_users_own_lie_beside_ours(fit, digits):
    own = _callback(
        "pytorch_lightning.callbacks.ModelCheckpoint",
        dirpath="own",
        filename="{epoch}",
        save_top_k=-1,
        every_n_epochs=1,
    )
    run = fit(*own, "--trainer.max_epochs=2")
    assert (run / "checkpoints" / "best.ckpt").exists()
    assert (run / "metrics.json").exists()
    status, _, errors = digits("fit", "--ckpt_path", "own/epoch=0.ckpt", *own)
    assert status == 2
    assert "saved in the middle of a step" in errors
    status, _, errors = digits("test", "--ckpt_path", "own/epoch=0.ckpt", *own)
    assert status == 0, errors


def test_checkpoints_of_the_users_own_may_not_overwrite_ours(digits, tmp_path):
    folder = tmp_path / "runs" / "mlp" / "version_0" / "checkpoints"
    status, _, errors = digits("fit", *QUICK, *_callback("ModelCheckpoint", dirpath=folder, save_last="true"))
    assert status == 2
    assert "leave out save_last, or give another dirpath" in errors


def test_a_timer_of_the_users_own_is_kept_in_the_configuration(fit):
    run = fit(*_callback("Timer", duration="00:01:00:00"), "--trainer.max_epochs=1")
    assert "interval: step" in (run / "config.yaml").read_text()


def test_a_run_ends_when_its_time_is_up(digits, tmp_path):
    options = [option for option in QUICK if "max_epochs" not in option]
    status, output, errors = digits("fit", *options, "--trainer.max_epochs=-1", "--trainer.max_time=00:00:00:01")
    assert status == 0, errors
    assert "the time is up" in output
    saved = torch.load(tmp_path / "runs" / "mlp" / "version_0" / "checkpoints" / "last.ckpt", weights_only=True)
    assert saved["digits_place"]["between_epochs"]


def test_early_stopping_says_so_and_takes_new_patience(fit, digits, capfd):
    early = [
        "--trainer.callbacks=EarlyStopping",
        "--trainer.callbacks.monitor=val/loss",
        "--trainer.callbacks.min_delta=9",
    ]
    run = fit(*early, "--trainer.callbacks.patience=2", "--trainer.max_epochs=9", "--trainer.val_check_interval=0.5")
    table = (run / "metrics.csv").read_text()
    assert len(table.splitlines()) == 1 + 2, "of 9 epochs"
    status, output, errors = digits("fit", "--ckpt_path", "last")
    assert status == 0, errors
    assert "stopped early after 2 epochs: Monitored metric val/loss did not improve in the last 2 records." in output
    assert (run / "metrics.csv").read_text() == table
    status, output, errors = digits("fit", "--ckpt_path", "last", *early, "--trainer.callbacks.patience=4")
    assert status == 0, errors
    assert "stopped early after 3 epochs: Monitored metric val/loss did not improve in the last 4 records." in output
