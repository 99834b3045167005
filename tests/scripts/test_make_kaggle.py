import csv

import pytest
from make_kaggle import grade, write_kaggle


@pytest.mark.slow
def test_a_submission_for_the_files_is_graded(digits, tmp_path):
    write_kaggle(tmp_path / "kaggle", "uci", tmp_path, training=1200, test=500)
    rows = list(csv.reader((tmp_path / "kaggle" / "train.csv").open()))
    assert len(rows) == 1201
    assert rows[0][:2] == ["label", "pixel0"]
    quick = ["--data.source", "csv", "--data.data_dir", "kaggle", "--report", "false", "--trainer.max_epochs", "8"]
    status, _, errors = digits("fit", "--model", "MLP", "--experiment", "kaggle", *quick)
    assert status == 0, errors
    assert digits("predict", "--ckpt_path", "best")[0] == 0
    submission = tmp_path / "runs" / "kaggle" / "version_0" / "submission.csv"
    accuracy = grade(submission, tmp_path / "kaggle" / "truth.csv")
    assert 0.8 < accuracy < 1
    lines = submission.read_text().splitlines()
    wrong = [f"{line.split(',')[0]},{(int(line.split(',')[1]) + 1) % 10}" for line in lines[1:]]
    submission.write_text("\n".join([lines[0], *wrong]))
    assert grade(submission, tmp_path / "kaggle" / "truth.csv") < 1 - accuracy + 1e-9
