from contextlib import suppress

import optuna
import pytest

from digits.errors import UserError
from digits.search.sweeps import identity, open_storage, open_study, sampler_named, study_in_reach


def test_half_a_record_at_the_end_is_cut_off_and_the_study_goes_on(tmp_path):
    path = tmp_path / "study.journal"
    study = open_study("test", open_storage(str(path)), sampler_named("random", 0), {})
    before = identity(study)
    with path.open("ab") as file:
        file.write(b'{"op_code":4,"worker_id":"x","stu')
    study = open_study("test", open_storage(str(path)), sampler_named("random", 0), {})
    study.tell(study.ask(), 0.5)
    again = open_study("test", open_storage(str(path)), sampler_named("random", 0), {})
    assert [trial.state for trial in again.get_trials()] == [optuna.trial.TrialState.COMPLETE]
    assert identity(again) == before


@pytest.mark.parametrize("place", ["study.journal", "sqlite:///{}/study.db"])
def test_on_a_full_disk_a_study_waits_for_room(disk, place):
    place = place.format(disk) if "://" in place else str(disk / place)

    def opened():
        return open_study("test", open_storage(place), sampler_named("random", 0), {})

    study = opened()
    study.tell(study.ask(), 0.25)
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    with pytest.raises((UserError, OSError)) as told, study_in_reach(place):  # noqa: PT012 - the disk says when
        for _ in range(1000):
            study.tell(study.ask(), 0.5)
    filler.unlink()
    assert isinstance(told.value, UserError) == ("sqlite" in place)
    if isinstance(told.value, UserError):
        assert str(told.value).startswith("the study can be neither read nor written in sqlite: ")
        assert "\n" not in str(told.value)
        assert "disk is full" in str(told.value)
    again = opened()
    before = len(again.trials)
    again.tell(again.ask(), 0.75)
    assert len(opened().trials) == before + 1
    assert opened().trials[0].value == 0.25
