import threading
import time
from functools import partial

import pytest
from optuna.trial import TrialState

from digits.errors import UserError
from digits.search.sweeps import Turns, counted, grid, open_storage, open_study, read_space, sampler_named, suggest
from digits.search.sweeps import study as study_module


@pytest.fixture
def join(tmp_path, storage):
    """A worker of a study, as another process would be: its own storage object, Study and Turns."""
    (tmp_path / "space.yaml").write_text("a: {choices: [0, 1, 2, 3]}\nb: {choices: [0, 1, 2]}")
    space = read_space(tmp_path / "space.yaml")
    opened = []

    def worker(wanted, sampler="random", seed=0):
        study = open_study("test", open_storage(storage), sampler_named(sampler, seed), {"space": "this"})
        points = list(grid(space)) if sampler == "grid" else None
        opened.append(Turns(study, wanted, points, partial(suggest, space=space), None))
        return opened[-1]

    yield worker
    for turns in opened:
        turns.close()


def work(turns, seconds=0.0):
    while (taken := turns.take(lambda: False)) is not None:
        time.sleep(seconds)
        turns.finish(taken[0], 0.5, pruned=False)


def done(turns):
    return [trial for trial in turns.trials() if counted(trial)]


@pytest.mark.parametrize("sampler", ["grid", "random", "tpe"])
def test_several_workers_count_each_trial_once(join, sampler):
    # The same seed, so that they draw the same values.
    workers = [join(10, sampler) for _ in range(3)]
    threads = [threading.Thread(target=work, args=(turns, 0.01)) for turns in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    trials = done(workers[0])
    assert len(trials) == 10
    assert len({(trial.params["a"], trial.params["b"]) for trial in trials}) == 10
    assert not [trial for trial in workers[0].trials() if not trial.state.is_finished()]


def test_a_grid_ends_by_itself_and_a_space_that_is_used_up_too(join):
    work(turns := join(None, "grid"))
    assert len(done(turns)) == 12
    work(more := join(50, "random"))
    assert len(done(more)) == 12


def test_trial_of_a_worker_that_died_is_repeated_once(join, monkeypatch):
    monkeypatch.setattr(study_module, "_SECONDS_BETWEEN_BEATS", 0.1)
    monkeypatch.setattr(study_module, "_SECONDS_TO_LIVE", 0.5)
    monkeypatch.setattr(study_module, "_SECONDS_TO_LOOK_AGAIN", 0.1)
    dead = join(4)
    lost, chosen = dead.take(lambda: False)
    dead.close()  # from here on nothing marks its trial as alive
    alive, other = join(4, seed=1), join(4, seed=2)
    threads = [threading.Thread(target=work, args=(turns,)) for turns in (alive, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    trials = done(alive)
    assert len(trials) == 4
    repeated = [trial for trial in trials if trial.system_attrs.get("failed_trial") == lost.number]
    assert [trial.params for trial in repeated] == [chosen]


def test_a_worker_that_lives_keeps_its_trial(join, monkeypatch):
    monkeypatch.setattr(study_module, "_SECONDS_BETWEEN_BEATS", 0.1)
    monkeypatch.setattr(study_module, "_SECONDS_TO_LIVE", 0.5)
    monkeypatch.setattr(study_module, "_SECONDS_TO_LOOK_AGAIN", 0.1)
    slow, fast = join(2), join(2, seed=1)
    mine = slow.take(lambda: False)[0]
    thread = threading.Thread(target=work, args=(fast,))
    thread.start()
    time.sleep(1.5)
    assert thread.is_alive()  # waits: the slow one may yet die
    slow.finish(mine, 0.7, pruned=False)
    thread.join()
    assert [trial.state for trial in done(fast)] == [TrialState.COMPLETE] * 2


def test_a_failure_is_counted_and_what_was_stopped_is_not(join):
    turns = join(3)
    first, second = turns.take(lambda: False)[0], turns.take(lambda: False)[0]
    turns.fail(first, "exploded")
    turns.give_back(second)
    assert len(done(turns)) == 1
    again = turns.take(lambda: False)[0]
    assert again.params == second.params


def test_a_study_is_for_one_space(join, storage):
    join(1)
    with pytest.raises(UserError, match="give --study another name"):
        open_study("test", open_storage(storage), sampler_named("tpe", 0), {"space": "other"})
