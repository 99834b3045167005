import re

import nbformat
import pytest
from nbclient import NotebookClient

from tests.conftest import ROOT


def _run(parameters):
    """The notebook's printed text and pictures, after running it as a person would."""
    notebook = nbformat.read(ROOT / "scripts" / "tour.ipynb", as_version=4)
    (cell,) = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    cell.source += parameters
    NotebookClient(notebook, timeout=1200).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    text = "".join(output.get("text", "") for output in outputs)
    return text, sum("image/png" in output.get("data", {}) for output in outputs)


def test_tour_runs_from_beginning_to_end():
    text, pictures = _run('\nSOURCE = "uci"\nEPOCHS = 4')
    assert "1,437 training images" in text
    assert pictures == 4
    assert re.search(r"test accuracy \d\d", text)


@pytest.mark.slow
def test_tour_as_it_is(mnist_dir):
    text, _ = _run("")
    assert float(re.search(r"test accuracy ([\d.]+)", text)[1]) > 99
    assert "\n7210\n" in text
