import sys

from benchmark import main
from contests import Contest, plot, table


def contest(unit, ours, rival):
    turns = {"ours": iter(ours), "rival": iter(rival)}
    held = Contest("a race", unit, {name: lambda _, turn=turn: next(turn) for name, turn in turns.items()}, target=3)
    held.hold()
    return held


def test_more_images_a_second_and_fewer_seconds_are_better(tmp_path):
    speeds = contest("images/s", [600.0, 30.0, 700.0], [200.0, 200.0, 900.0])
    times = contest("s", [2.0, 1.0, 9.0], [8.0, 8.0, 8.0])
    assert speeds.ratios() == {"rival": 3.0}
    assert times.ratios() == {"rival": 4.0}
    assert "| a race | rival | 200 images/s (200–900) | 3× | ≥ 3× |" in table([speeds, times])
    plot([speeds, times], "a machine").savefig(tmp_path / "bars.png")
    assert (tmp_path / "bars.png").stat().st_size > 1000


def test_the_input_pipeline_beside_its_rivals(mnist_dir, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["benchmark.py", "--quick", "--only", "input_pipeline", "--output", "found"])
    main()
    assert capsys.readouterr().out.count("| batches of 256 with affine augmentation |") == 3
    assert (tmp_path / "found.png").exists()
    assert '"ratios"' in (tmp_path / "found.json").read_text()
