import pytest

from digits.errors import UserError
from digits.search.sweeps import flags, grid, read_space, samples

SPACE = """
model.class_path: {choices: [digits.models.MLP, digits.models.CNN]}
model.init_args.hidden: {choices: [[32], [64, 32]], when: {model.class_path: digits.models.MLP}}
data.batch_size: {low: 64, high: 128, step: 64}
"""


def read(tmp_path, text):
    (tmp_path / "space.yaml").write_text(text)
    return read_space(tmp_path / "space.yaml")


def test_a_grid_is_complete_and_leaves_out_what_has_no_meaning(tmp_path):
    space = read(tmp_path, SPACE)
    points = list(grid(space))
    assert len(points) == 2 * 2 + 2
    assert len({str(point) for point in points}) == 6
    assert all(("model.init_args.hidden" in point) == point["model.class_path"].endswith("MLP") for point in points)


def test_samples_hold_every_choice_and_both_ends(tmp_path):
    space = read(tmp_path, SPACE)
    seen = {(key, str(value)) for chosen in samples(space) for key, value in chosen.items()}
    assert seen == {
        ("model.class_path", "digits.models.MLP"),
        ("model.class_path", "digits.models.CNN"),
        ("model.init_args.hidden", "[32]"),
        ("model.init_args.hidden", "[64, 32]"),
        ("data.batch_size", "64"),
        ("data.batch_size", "128"),
    }


def test_flags_name_classes_before_their_arguments():
    chosen = {"model.init_args.hidden": [64, 32], "model.class_path": "digits.models.MLP", "data.augmentation": None}
    assert flags(chosen) == [
        "--model", "digits.models.MLP", "--model.init_args.hidden", "[64, 32]", "--data.augmentation", "null",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[]", "it must map keys of the configuration to what they may be"),
        ("a: {choices: []}", "a: choices is a list of at least one value"),
        ("a: {low: 1}", "a: give choices: […], or low: and high:"),
        ("a: {low: 1, hihg: 2}", "a: unknown field 'hihg'; did you mean 'high'?"),
        ("a: {low: 3, high: 1}", "a: "),
        ("aa: {low: 1, high: 3}\nb: {low: 1, high: 3, when: {a: 1}}", "'a' does not stand before it; did you mean"),
        ("a: {", "cannot be read"),
    ],
)
def test_mistakes_are_named(tmp_path, text, complaint):
    with pytest.raises(UserError) as mistake:
        read(tmp_path, text)
    assert complaint in str(mistake.value)
    assert "\n" not in str(mistake.value)


def test_a_grid_needs_steps(tmp_path):
    space = read(tmp_path, "a: {low: 0.1, high: 0.2}")
    with pytest.raises(UserError, match="a grid needs choices"):
        list(grid(space))
    (steps,) = read(tmp_path, "a: {low: 0.1, high: 0.3, step: 0.1}")
    assert steps.points == pytest.approx([0.1, 0.2, 0.3])
