import optuna

from digits.search.sweeps import identity, open_storage, open_study, sampler_named


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
