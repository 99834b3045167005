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


def test_module_and_mistyped_verb():
    result = subprocess.run([sys.executable, "-m", "digits", "tset"], capture_output=True, text=True)
    assert result.returncode == 2
    assert result.stderr == "digits: error: unknown verb 'tset'; did you mean 'test'?\n"


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
