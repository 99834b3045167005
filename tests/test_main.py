import os
import subprocess
import sys

import pytest

WITHOUT_MODEL = ["recognize", "serve", "robustness", "report", "crossval", "sweep", "export", "ensemble"]


def test_help_lists_every_verb_without_importing_torch():
    program = (
        "import sys; from digits.__main__ import main; status = main(['--help']);"
        "sys.exit(status or int('torch' in sys.modules or 'pytorch_lightning' in sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    for verb in ("fit", "validate", "test", "predict", *WITHOUT_MODEL):
        assert f"\n  {verb}" in result.stdout


@pytest.mark.parametrize(("word", "verb"), [("train", "fit"), ("eval", "test"), ("tset", "test")])
def test_what_other_programs_call_a_verb(digits, word, verb):
    assert digits(word) == (2, "", f"digits: error: unknown verb {word!r}; did you mean {verb!r}?\n")


def test_a_terminal_without_unicode(fit):
    run = fit()
    command = [sys.executable, "-m", "digits", "predict", "--ckpt_path", str(run / "checkpoints" / "best.ckpt")]
    plain = os.environ | {"PYTHONIOENCODING": "ascii"}
    result = subprocess.run(command, capture_output=True, text=True, env=plain)
    assert (result.returncode, result.stderr) == (0, "")
    assert "predictions ?" in result.stdout


def test_the_console_script_finds_modules_in_the_folder(tmp_path):
    (tmp_path / "mine.py").write_text("from digits.models import MLP\nclass Net(MLP): pass\n")
    script = "import sys; from digits.__main__ import main; sys.exit(main(sys.argv[1:]))"
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "digits-script").write_text(script)
    command = [sys.executable, "elsewhere/digits-script", "fit", "--model", "mine.Net", "--data.source", "uci"]
    result = subprocess.run([*command, "--trainer.fast_dev_run", "true"], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("verb", ["fit", "test"])
def test_help_of_a_verb(digits, verb, capfd):
    with pytest.raises(SystemExit) as stopped:
        digits(verb, "--help")
    assert stopped.value.code == 0
    assert "--data.batch_size" in capfd.readouterr().out


@pytest.mark.parametrize("verb", WITHOUT_MODEL)
def test_help_that_needs_no_model_waits_for_nothing(verb):
    program = (
        "import sys; from digits.__main__ import main\n"
        f"try: main(['{verb}', '--help'])\n"
        "except SystemExit as stop: sys.exit(stop.code or int('torch' in sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith(f"usage: python -m digits {verb} ")


def test_public_names_resolve():
    import digits as package

    for name in package.__all__:
        assert getattr(package, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = package.nonsense
