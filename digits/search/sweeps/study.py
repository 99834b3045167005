"""A study that any number of processes work on, each trial counted once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from optuna import Study, Trial, create_study
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage, RetryHeartbeatStaleTrialCallback
from optuna.trial import FrozenTrial, TrialState

from digits.errors import UserError, find_disk_error

_WORKER, _BEAT, _IDENTITY, FAILED = "worker", "beat", "identity", "error"
_SECONDS_BETWEEN_BEATS = 3.0
_SECONDS_TO_LIVE = 30.0
_SECONDS_TO_LOOK_AGAIN = 1.0
_SECONDS_TO_DRAW = 0.02
_MOST_REPETITIONS = 100


def open_study(name: str, storage: BaseStorage, sampler: BaseSampler, purpose: dict[str, Any]) -> Study:
    """The study of that name, made if need be.

    ``purpose`` says what it searches; raises UserError where the study is there for another.
    """
    study = create_study(study_name=name, storage=storage, sampler=sampler, direction="maximize", load_if_exists=True)
    known = study.user_attrs.get("purpose")
    if known is None:
        study.set_user_attr("purpose", purpose)
    elif known != purpose:
        raise UserError(f"the study {name!r} is there already, with another space or recipe; give --study another name")
    return study


def identity(study: Study) -> str:
    """What tells a study from every other, of whatever name, in whatever storage: its trials are in no other's folder.

    Given at the first asking; two processes must not ask for the first time at once.
    """
    if _IDENTITY not in study.user_attrs:
        study.set_user_attr(_IDENTITY, uuid4().hex)
    found: str = study.user_attrs[_IDENTITY]
    return found


def counted(trial: FrozenTrial) -> bool:
    """Whether a trial has had its turn; one that was killed, or was one too many, has not."""
    return trial.state in (TrialState.COMPLETE, TrialState.PRUNED) or FAILED in trial.user_attrs


def _stands(trial: FrozenTrial) -> bool:
    """Whether a trial has had its turn, has it, or will have it."""
    return counted(trial) or not trial.state.is_finished()


def number_of(trial: FrozenTrial) -> int:
    """A trial's number, or, of one that is repeated, the first's."""
    first = RetryHeartbeatStaleTrialCallback.retried_trial_number(trial)
    return trial.number if first is None else first


def stored(trial: Trial) -> FrozenTrial:
    """A trial as the storage has it now; a Trial itself remembers what it was when it began."""
    return trial.study._storage.get_trial(trial._trial_id)


class Turns:
    """Deals out a study's trials to the threads of this process, beside whatever other processes do.

    Every process counts by the same rule: a trial is one too many when as many as are wanted stand before it, and a
    repetition when one before it has the same values. Trials are numbered by the storage, so no two processes disagree.
    What a process holds it marks as alive every few seconds; of another process that stopped doing so, the trial is
    given back to the queue. Neither needs clocks that agree.

    Args:
        study: What is worked on.
        wanted: How many trials there shall be, or None where only time is limited.
        points: All points of a grid, or None for what the study's sampler draws.
        suggest: Draws a new trial's values.
        seconds: How long trials are begun.

    """

    def __init__(
        self,
        study: Study,
        wanted: int | None,
        points: list[dict[str, Any]] | None,
        suggest: Callable[[Trial], dict[str, Any]],
        seconds: float | None,
    ) -> None:
        self.study = study
        self._wanted = wanted
        self._points = points
        self._suggest = suggest
        self._end = None if seconds is None else time.monotonic() + seconds
        self._name = uuid4().hex
        self._lock = threading.Lock()
        self._mine: set[int] = set()
        self._put_off: list[FrozenTrial] = []
        self.left = 0
        self._beats: dict[int, tuple[Any, float]] = {}
        self._is_over = threading.Event()
        self._heart = threading.Thread(target=self._beat, daemon=True)
        self._heart.start()

    def close(self) -> None:
        """Stop marking trials as alive, and put those that were put off into the queue."""
        self._is_over.set()
        self._heart.join()
        self.left = len(self._put_off)
        while self._put_off:
            _retry(self.study, self._put_off.pop())

    def trials(self) -> list[FrozenTrial]:
        return self.study.get_trials(deepcopy=False)

    def take(self, should_stop: Callable[[], bool]) -> tuple[Trial, dict[str, Any]] | None:
        """The next trial and its values, or None where nothing is left to do; may wait for other processes' trials."""
        repetitions = 0
        while not should_stop() and not (self._end and time.monotonic() > self._end):
            with self._lock:
                self._give_back_the_dead()
                trials = self.trials()
                is_queued = any(trial.state == TrialState.WAITING for trial in trials)
                if is_queued or self._has_room(trials):
                    taken = self._ask(trials)
                    if taken is not None:
                        return taken
                    repetitions += 1
                    if repetitions == _MOST_REPETITIONS:
                        return None  # whatever the sampler draws has been tried
                    continue
            if not any(trial.state == TrialState.RUNNING and trial._trial_id not in self._mine for trial in trials):
                return None
            time.sleep(_SECONDS_TO_LOOK_AGAIN)
        return None

    def _has_room(self, trials: list[FrozenTrial]) -> bool:
        if self._points is not None and not self._untried(trials):
            return False
        begun = [trial for trial in trials if _stands(trial)]
        return self._wanted is None or len(begun) + len(self._put_off) < self._wanted

    def _untried(self, trials: list[FrozenTrial]) -> list[dict[str, Any]]:
        assert self._points is not None
        tried = [_values(trial) for trial in [*filter(_stands, trials), *self._put_off]]
        return [point for point in self._points if point not in tried]

    def _ask(self, trials: list[FrozenTrial]) -> tuple[Trial, dict[str, Any]] | None:
        is_queued = any(trial.state == TrialState.WAITING for trial in trials)
        if self._points is not None and not is_queued:
            self.study.enqueue_trial(self._untried(trials)[0])
        trial = self.study.ask()
        chosen = self._suggest(trial)
        trial.set_user_attr(_WORKER, self._name)  # from here on its values are known
        before = self._trials_before(trial)
        if self._wanted is not None and len(before) >= self._wanted:
            reason = "one too many"
        elif any(_values(other) == trial.params for other in before):
            reason = "a repetition"
        else:
            self._mine.add(trial._trial_id)
            return trial, chosen
        trial.set_user_attr("left out", reason)
        self.study.tell(trial, state=TrialState.FAIL)
        return None

    def _trials_before(self, trial: Trial) -> list[FrozenTrial]:
        """Those with lower numbers that have had their turn or have it, as soon as the values of all are known."""
        patience = time.monotonic() + _SECONDS_TO_LIVE
        while True:
            before = [other for other in self.trials() if other.number < trial.number and _stands(other)]
            is_known = all(other.state != TrialState.RUNNING or _WORKER in other.user_attrs for other in before)
            if is_known or time.monotonic() > patience:  # its process has died between two lines
                return before
            time.sleep(_SECONDS_TO_DRAW)

    def finish(self, trial: Trial, accuracy: float, *, pruned: bool) -> None:
        """Count a trial that came to an end."""
        self._end_trial(trial, accuracy, TrialState.PRUNED if pruned else TrialState.COMPLETE)

    def fail(self, trial: Trial, reason: str) -> None:
        """Count a trial whose run failed by itself, and would again."""
        trial.set_user_attr(FAILED, reason)
        self._end_trial(trial, None, TrialState.FAIL)

    def put_off(self, trial: Trial) -> None:
        """Leave a trial that the system would not let run for whoever comes after this process."""
        self._end_trial(trial, None, TrialState.FAIL)
        self._put_off.append(stored(trial))

    def give_back(self, trial: Trial) -> None:
        """Put a trial that was stopped into the queue again, for whoever comes."""
        self._end_trial(trial, None, TrialState.FAIL)
        _retry(self.study, stored(trial))

    def _end_trial(self, trial: Trial, accuracy: float | None, state: TrialState) -> None:
        self._mine.discard(trial._trial_id)
        self.study.tell(trial, accuracy if state == TrialState.COMPLETE else None, state)

    def _beat(self) -> None:
        count = 0
        while not self._is_over.wait(_SECONDS_BETWEEN_BEATS):
            count += 1
            for trial_id in tuple(self._mine):
                try:
                    self.study._storage.set_trial_user_attr(trial_id, _BEAT, f"{self._name} {count}")
                except UpdateFinishedTrialError:  # meanwhile
                    continue
                except (OSError, StorageInternalError) as error:
                    if (
                        isinstance(error, OSError) and find_disk_error(error) is None
                    ):  # else the run itself ends, and there is no more to say
                        raise

    def _give_back_the_dead(self) -> None:
        now = time.monotonic()
        for trial in self.trials():
            if trial.state != TrialState.RUNNING or trial._trial_id in self._mine:
                continue
            beat = trial.user_attrs.get(_BEAT)
            seen, since = self._beats.get(trial._trial_id, (None, now))
            if trial._trial_id not in self._beats or seen != beat:
                self._beats[trial._trial_id] = (beat, now)
            elif now - since > _SECONDS_TO_LIVE:
                try:
                    self.study._storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
                except UpdateFinishedTrialError:  # by another process, which gives it back
                    continue
                _retry(self.study, trial)


def _retry(study: Study, trial: FrozenTrial) -> None:
    RetryHeartbeatStaleTrialCallback(inherit_intermediate_values=True)(study, trial)


def _values(trial: FrozenTrial) -> dict[str, Any]:
    """A trial's values; of one in the queue, those that it will have."""
    return trial.params or trial.system_attrs.get("fixed_params", {})
