"""The exchange's errors: what is wrong, where, and the way out."""

from __future__ import annotations

from collections.abc import Sequence

from survey.errors import EquipoiseError


class ExchangeError(EquipoiseError):
    """Base of the exchange's errors."""


class BadPool(ExchangeError):
    """A pool that contradicts itself, or a pool file that cannot be read; the message names file and place."""


class BadRequest(ExchangeError):
    """A number or combination of choices that cannot be, such as a cycle cap of 1 or a negative seed."""


class BadModel(BadRequest):
    """Constants that nothing can be drawn from; ``complaints`` holds (place, what is wrong)."""

    def __init__(self, message: str, complaints: Sequence[tuple[tuple[str | int, ...], str]]) -> None:
        self.complaints = tuple(complaints)
        super().__init__(message)


class BadScenario(BadModel):
    """A simulation that cannot be; ``complaints`` holds (place in the scenario, what is wrong)."""


class BadMatchRun(ExchangeError):
    """A match run file that cannot be read; the message names file and place."""


class InvalidMatchRun(ExchangeError):
    """A match run that breaks its own rules or does not fit its pool; ``violations`` lists every breach."""

    def __init__(self, violations: Sequence[str], where: str = "match run") -> None:
        self.violations = tuple(violations)
        lines = "\n".join(f"  {v}" for v in self.violations)
        super().__init__(f"{where}: {len(self.violations)} violation(s)\n{lines}")


class MissingPriorities(ExchangeError):
    """Pairs whose patients the weights say nothing about; ``pair_ids`` names them."""

    def __init__(self, message: str, pair_ids: Sequence[str]) -> None:
        self.pair_ids = tuple(pair_ids)
        super().__init__(message)


class SolverFailed(ExchangeError):
    """The solver could not be started, or ended in a state that a match run can never lead to."""


class BadRun(ExchangeError):
    """A file that is not of a simulated run, or cannot be read; the message names it."""


class MissingRuns(ExchangeError):
    """A folder lacks runs of its experiment."""


class OtherExperiment(BadRequest):
    """A folder that holds something else than this experiment's results; the message says what differs."""


class WorkersLost(ExchangeError):
    """The processes that compute ended by themselves."""


class RunsFailed(ExchangeError):
    """Some runs of an experiment ended with an error; the others are kept. The message names them."""
