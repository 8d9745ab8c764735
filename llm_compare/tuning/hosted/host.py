"""Fine-tuning at a provider, through litellm's interface to files and fine-tuning jobs.

litellm (read: 1.106.2) creates, lists, retrieves and cancels jobs of OpenAI and Azure OpenAI. For Vertex AI it only
creates them, from data that already lie in Google's storage, and cannot say what became of them. Other providers it
refuses.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from llm_compare.asking.client import missing_keys, quiet_litellm, without_secrets
from llm_compare.errors import CannotTune, MissingKey, ProviderFailed, UnknownModel
from llm_compare.replies.store import LONGEST_MESSAGE
from llm_compare.tuning.hosted.job import HostedJob, HostedProvider, JobState

_OPENAI_ADDRESS = "https://api.openai.com/v1"
_TIMEOUT_SECONDS = 120.0
_MOST_JOBS_LOOKED_AT = 1000
_FIRST_PAUSE_SECONDS = 10.0
_LONGEST_PAUSE_SECONDS = 300.0
_PAUSE_GROWTH = 1.5
_MOST_FAILURES_IN_A_ROW = 5

Save = Callable[[HostedJob], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A model to be tuned, and where."""

    provider: HostedProvider
    model: str
    """As the provider names it."""
    address: str
    is_own_server: bool
    """Whether the address was given: no key is then asked for."""


def find_host(model: str, *, api_base: str | None) -> Host:
    """Return where a model would be tuned. Nothing is sent.

    Raises
    ------
    UnknownModel
        litellm finds no provider in the model string.
    CannotTune
        litellm cannot tune, or cannot follow the tuning, at that provider.
    MissingKey
        What the provider needs is not in the environment, and no address of an own server is given.
    """
    litellm = quiet_litellm()
    from openai import OpenAIError

    try:
        name, named, _, _ = litellm.get_llm_provider(model)
    except OpenAIError:
        raise UnknownModel(
            f"'{model}' names no provider; write openai/MODEL or azure/MODEL, e.g. openai/gpt-4.1-mini-2025-04-14"
        ) from None
    if named not in set(HostedProvider):
        raise CannotTune(
            f"'{model}': litellm can create and follow fine-tuning jobs of {' and '.join(HostedProvider)}, not of "
            f"{named}; hand the provider the files that 'compare tune prepare' writes, or train an open model with "
            "'compare tune train'"
        )
    provider = HostedProvider(named)
    # litellm lists all that a provider needs as soon as one is missing.
    needed = tuple(n for n in missing_keys(model) if not os.environ.get(n))
    if api_base is not None:
        # An own server that speaks as OpenAI does takes any key; Azure's do not.
        is_openai = provider is HostedProvider.OPENAI
        needed = () if is_openai else tuple(n for n in needed if n != "AZURE_API_BASE")
    if needed:
        raise MissingKey(
            f"tuning '{model}' needs the environment variable {' and '.join(needed)}; set it"
            + (
                ", or give the address of your own server (--api-base)"
                if provider is HostedProvider.OPENAI
                else ""
            ),
            needed,
        )
    return Host(
        provider=provider,
        model=name,
        address=api_base or _address(provider),
        is_own_server=api_base is not None,
    )


def _address(provider: HostedProvider) -> str:
    """Return where litellm sends to, found in its own order: it must be shown before anything is sent."""
    if provider is HostedProvider.AZURE:
        return os.environ["AZURE_API_BASE"]
    return os.environ.get("OPENAI_BASE_URL") or os.environ.get("OPENAI_API_BASE") or _OPENAI_ADDRESS


class HostedTuning:
    """Files and jobs at one provider. Each call is made once; trying again is the caller's."""

    def __init__(
        self,
        provider: HostedProvider,
        address: str,
        *,
        is_own_server: bool,
        timeout_seconds: float = _TIMEOUT_SECONDS,
    ) -> None:
        self._common: dict[str, Any] = {
            "custom_llm_provider": provider.value,
            "api_base": address,
            "timeout": timeout_seconds,
            # Left alone, the provider's library sends each call three times, a job that costs money as well.
            "max_retries": 0,
        }
        if is_own_server and provider is HostedProvider.OPENAI and not os.environ.get("OPENAI_API_KEY"):
            self._common["api_key"] = "none"  # The client library insists on one.

    def upload(self, content: bytes, *, name: str) -> str:
        """Send a training file; return the provider's name of it.

        Raises
        ------
        ProviderFailed
            It was refused, or no answer came.
        """
        sent = self._call(
            "the upload", quiet_litellm().create_file, file=(name, content), purpose="fine-tune"
        )
        return str(sent.id)

    def begin(self, job: HostedJob) -> JobState:
        """Create the job for a file that is there.

        Raises
        ------
        ProviderFailed
            It was refused, or no answer came: there may be a job nevertheless, see :meth:`find`.
        """
        return _state(
            self._call(
                "creating the job",
                quiet_litellm().create_fine_tuning_job,
                model=job.model,
                training_file=job.file_id,
                hyperparameters=job.hyperparameters,
                suffix=job.suffix,
                seed=job.seed,
            )
        )

    def find(self, file_id: str) -> JobState | None:
        """Return the job that trains on a file, None if there is none.

        Raises
        ------
        ProviderFailed
            The provider does not list its jobs: nobody can tell.
        """

        def listed(**common: Any) -> Any:
            # The pages after the first are fetched while they are read.
            for count, job in enumerate(quiet_litellm().list_fine_tuning_jobs(limit=100, **common)):
                if job.training_file == file_id:
                    return job
                if count >= _MOST_JOBS_LOOKED_AT:
                    break
            return None

        found = self._call("listing the jobs", listed)
        # Asked for by itself: of Azure's words for states litellm translates those of single jobs only.
        return None if found is None else self.state(found.id)

    def state(self, job_id: str) -> JobState:
        """Return what the provider says of a job.

        Raises
        ------
        ProviderFailed
            It says nothing.
        """
        retrieve = quiet_litellm().retrieve_fine_tuning_job
        return _state(self._call("asking for the job", retrieve, fine_tuning_job_id=job_id))

    def cancel(self, job_id: str) -> JobState:
        """End a job.

        Raises
        ------
        ProviderFailed
            It was not ended, e.g. because it had ended already.
        """
        cancel = quiet_litellm().cancel_fine_tuning_job
        return _state(self._call("ending the job", cancel, fine_tuning_job_id=job_id))

    def _call(self, what: str, function: Callable[..., Any], **given: Any) -> Any:
        from openai import OpenAIError  # The base of all that litellm raises, whoever the provider is.

        place = self._common["api_base"]
        try:
            return function(**given, **self._common)
        except OpenAIError as error:
            status = getattr(error, "status_code", None)
            said = without_secrets(str(error))[:LONGEST_MESSAGE]
            coded = f" ({status})" if status else ""
            # Without a status there was no answer at all: the connection failed, or time was up.
            raise ProviderFailed(
                f"{what} at {place} failed{coded}: {said}",
                may_pass=status is None or status in (408, 409, 429) or status >= 500,
            ) from None
        except ValueError as error:
            # litellm checks what comes back, and refuses states and fields that it does not know.
            said = without_secrets(" ".join(str(error).split()))[:LONGEST_MESSAGE]
            raise ProviderFailed(
                f"{what} at {place}: an answer that litellm cannot read: {said}", may_pass=False
            ) from None


def start_job(job: HostedJob, content: bytes, service: HostedTuning, save: Save) -> HostedJob:
    """Upload the file and create the job, as far as that is not done yet.

    Parameters
    ----------
    content
        The training file.
    save
        Keeps the job; called before and after every step that must not be taken twice.

    Raises
    ------
    ProviderFailed
        A step failed; what was done before it is saved.
    """
    if job.job_id is not None:
        job = job.seen(service.state(job.job_id))
        save(job)
        return job
    file_id = job.file_id
    if file_id is None:
        file_id = service.upload(content, name=f"{job.file_sha256[:12]}.jsonl")
        job = replace(job, file_id=file_id)
        save(job)
    # A creation that was asked for may have succeeded although its answer was lost.
    found = service.find(file_id) if job.is_asked_for else None
    if found is None:
        job = replace(job, is_asked_for=True)
        save(job)
        found = service.begin(job)
    job = job.seen(found)
    save(job)
    return job


def watch_job(
    job: HostedJob,
    job_id: str,
    service: HostedTuning,
    save: Save,
    *,
    sleep: Callable[[float], None],
    on_change: Callable[[HostedJob], None],
) -> HostedJob:
    """Ask for the job, less and less often, until nothing changes any more; return it finished.

    Raises
    ------
    ProviderFailed
        The provider did not answer several times in a row, or in a way that will not pass. The job goes on.
    """
    pause, failures = _FIRST_PAUSE_SECONDS, 0
    while True:
        try:
            now = job.seen(service.state(job_id))
        except ProviderFailed as error:
            failures += 1
            if not error.may_pass or failures >= _MOST_FAILURES_IN_A_ROW:
                raise
        else:
            failures = 0
            if now != job:
                save(now)
            if now.status != job.status:
                on_change(now)
            job = now
            if job.is_finished:
                return job
        sleep(pause)
        pause = min(pause * _PAUSE_GROWTH, _LONGEST_PAUSE_SECONDS)


def _state(said: Any) -> JobState:
    failure = getattr(said, "error", None)
    reason = (
        None
        if failure is None
        else ": ".join(
            part for part in (getattr(failure, "code", None), getattr(failure, "message", None)) if part
        )
    )
    return JobState(
        job_id=str(said.id),
        status=str(said.status),
        tuned_model=said.fine_tuned_model,
        trained_tokens=said.trained_tokens,
        failure=None if not reason else without_secrets(reason)[:LONGEST_MESSAGE],
    )
