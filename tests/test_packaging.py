"""What ``pip install .`` brings."""

import shutil
import subprocess
import sys
import tomllib
import zipfile

import pytest

from tests.conftest import ROOT

SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]


def test_every_package_is_listed():
    found = {path.parent.relative_to(ROOT).as_posix().replace("/", ".") for path in ROOT.glob("digits/**/__init__.py")}
    assert set(SETTINGS["packages"]) == found | {"digits.configs"}


def test_the_wheel_brings_the_recipes_to_any_folder(tmp_path):
    pytest.importorskip("setuptools", minversion="77")
    source, wheels, installed = tmp_path / "source", tmp_path / "wheels", tmp_path / "installed"
    source.mkdir()
    for name in ("configs", "digits"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    build = ["pip", "wheel", ".", "--no-deps", "--no-build-isolation", "--no-index", "-q", "-w", str(wheels)]
    result = subprocess.run([sys.executable, "-m", *build], cwd=source, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    with zipfile.ZipFile(next(wheels.glob("*.whl"))) as wheel:
        wheel.extractall(installed)
    program = (
        "import digits.recipes as recipes; print(recipes.__file__); print(*recipes.recipe_names());"
        "print(recipes.find_config('sweeps/mlp'), recipes.find_config('cnn'))"
    )
    environment = {"PYTHONPATH": str(installed)}
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, env=environment
    )
    assert result.returncode == 0, result.stderr
    module, names, paths = result.stdout.splitlines()
    assert module == str(installed / "digits/recipes.py")
    assert {"cnn", "mlp", "classics/mlp-128", "hardware/gpu"} <= set(names.split())
    assert paths.split() == [str(installed / "digits/configs" / name) for name in ("sweeps/mlp.yaml", "cnn.yaml")]
