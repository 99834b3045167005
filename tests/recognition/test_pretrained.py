import json

import torch

from digits.data import find_source
from digits.recognition import WEIGHTS, load_pretrained


def test_the_shipped_network_is_as_good_as_it_says(mnist_dir):
    said = json.loads(WEIGHTS.with_suffix(".json").read_text())
    test = find_source("mnist").load(mnist_dir).test
    model = load_pretrained()
    with torch.inference_mode():
        logits = torch.cat([model(part.float() / 255) for part in test.images.split(1000)])
    accuracy = (logits.argmax(dim=1) == test.labels).double().mean()
    assert round(float(accuracy), 4) == round(said["figures"]["test/accuracy"], 4)
    assert accuracy >= 0.997


def test_it_is_small_and_says_where_it_comes_from():
    assert WEIGHTS.stat().st_size <= 2_500_000
    said = json.loads(WEIGHTS.with_suffix(".json").read_text())
    assert said["command"] == "fit --config configs/champion.yaml --seed_everything 1"
    assert said["seed"] == 1
    assert said["data"]["source"] == "mnist"
    assert len(said["commit"]) >= 40
    assert said["config"]["trainer"]["max_epochs"] > 0
