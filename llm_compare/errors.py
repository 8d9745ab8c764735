"""The errors of asking models and comparing them with people: what, where, and the way out."""

from __future__ import annotations

from survey.errors import EquipoiseError


class CompareError(EquipoiseError):
    """Base of this package's errors. An unreadable or refused reply is a value, never an error."""


class CannotAsk(CompareError):
    """A design, model and settings from which no calls can be planned."""


class BadProtocol(CompareError):
    """A protocol file that cannot be read; one line per complaint, with file, line and key."""


class BadBatch(CompareError):
    """A batch file, or replies from elsewhere, that cannot be written or read; the message names file and line."""


class UnknownModel(CompareError):
    """A model string that neither litellm nor the scripted respondents know."""


class MissingKey(CompareError):
    """A model whose provider needs a key that the environment does not hold; ``variables`` names it."""

    def __init__(self, message: str, variables: tuple[str, ...]) -> None:
        self.variables = variables
        super().__init__(message)


class UnsupportedSetting(CompareError):
    """A setting that the model's provider does not accept; it is never dropped silently."""


class BadReplies(CompareError):
    """A replies file that cannot be read; the message names file and line."""


class NotComparable(CompareError):
    """People's and a model's answers that share no attributes, condition or answers to compare."""


class BadAlignment(CompareError):
    """An ``alignment.json`` that cannot be read, or two that cannot be compared; the message names the file."""


class CannotTake(CompareError):
    """A study that models cannot take, or cannot go on taking."""


class NoPrice(CompareError):
    """A budget for calls that nobody can tell the cost of."""


class NotStored(CompareError):
    """Replies that arrived but that the database did not take; the message says how many, and why."""


class BadProblems(CompareError):
    """Candidates, kidneys or a problem set that cannot be read or drawn; the message names file and line."""


class BadTrials(CompareError):
    """A file of trials that cannot be read, or that belongs to other problems; the message names file and line."""


class NotMeasurable(CompareError):
    """Trials that allow no measure, or files that do not belong together."""


class CannotTune(CompareError):
    """Answers, held-out parts or settings from which no training sets or no training can be made."""


class BadTrainingSet(CompareError):
    """A prepared folder or training file that cannot be read; the message names file and line."""


class MissingExtra(CompareError):
    """Libraries that only local models need are not installed."""


class BadModel(CompareError):
    """A local model or adapter that cannot be loaded, written to, or trained; the message says what would work."""


class MissingChatTemplate(BadModel):
    """A tokenizer that does not say how a conversation is written."""


class NoAnswerToken(BadModel):
    """A tokenizer that cannot write one of the offered answers, or cannot tell two of them apart."""


class UnknownTargetModules(BadModel):
    """Names of layers that the model does not have; the message lists those it has."""


class OutOfMemory(CompareError):
    """A model and batch that do not fit; the message says what takes less."""


class CannotServe(CompareError):
    """An address that a local model cannot be served at."""


class BadHostedJob(CompareError):
    """A ``job.json`` of hosted fine-tuning that cannot be read, or that belongs to another set or model."""


class ProviderFailed(CompareError):
    """A provider that refused a file or a job, or did not answer; ``may_pass``: trying again may help."""

    def __init__(self, message: str, *, may_pass: bool) -> None:
        self.may_pass = may_pass
        super().__init__(message)


class TrainingStopped(CompareError):
    """A training that was interrupted; the message says where it goes on from."""
