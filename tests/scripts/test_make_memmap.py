import torch
from make_memmap import write_memmap

from digits.data import find_source


def test_a_run_trains_on_distorted_copies(tmp_path, digits):
    folder = tmp_path / "many"
    write_memmap(folder, 4000, "uci", tmp_path, seed=0)
    made, origin = find_source("memmap").load(folder), find_source("uci").load(tmp_path)
    count = len(origin.train)
    assert torch.equal(made.train.images[:count], origin.train.images)
    copies = made.train.images[count : 2 * count]
    assert (copies != origin.train.images).float().mean() * 2 > 0.5
    assert torch.equal(made.train.labels[count : 2 * count].long(), origin.train.labels)
    assert torch.equal(made.test.images, origin.test.images)
    options = ["--data.source", "memmap", "--data.data_dir", folder, "--trainer.max_epochs", "1", "--report", "false"]
    status, output, errors = digits("fit", "--model", "MLP", *options, "--trainer.enable_progress_bar", "false")
    assert status == 0, errors
    assert "of 360 images of memmap" in output
