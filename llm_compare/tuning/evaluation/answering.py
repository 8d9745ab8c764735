"""Put a study's questions to a model on this machine; the replies are those that ``compare ask`` would store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from llm_compare.errors import BadReplies
from llm_compare.prompting.call import Settings
from llm_compare.prompting.request import TOP_LOGPROBS, Request
from llm_compare.prompting.variant import AnswerFormat
from llm_compare.replies.replies_file import ReplyFile, read_replies, write_replies
from llm_compare.replies.reply import RecordedReply, Reply
from llm_compare.tuning.models.local_model import FINGERPRINT_DIGITS, LocalModel
from llm_compare.tuning.models.prompted import Generated, Prompted
from survey.design import StudyDesign, design_hash

LOCAL = "local/"
"""Beginning of the model strings of models on this machine."""
DRAWN = Settings(temperature=1.0)
"""A model answers as often as its probabilities say, not always with the likeliest answer."""
LIKELIEST = Settings(temperature=0.0)
"""For questions whose probabilities are read: they are told at temperature 1 all the same, and no drawn word
decides whether the reply can be read."""
_MOST_TOKENS = 16
_BATCHES_BETWEEN_WRITES = 16

Progress = Callable[[str], None]
Stop = Callable[[], bool]


class Stopped(KeyboardInterrupt):
    """Somebody asked to stop. The message says what is kept."""


def model_string(model: LocalModel) -> str:
    """Return what the model is called in requests: with its fingerprint, so that no two models share replies."""
    return LOCAL + model.name


def answer_requests(
    model: LocalModel,
    requests: Sequence[Request],
    *,
    seed: int = 0,
    batch: int = 64,
    progress: Callable[[int], None] = lambda _: None,
    stop: Stop = lambda: False,
) -> tuple[RecordedReply, ...]:
    """Return the model's replies in the order of the requests; fewer than there are requests where it was stopped.

    Same seed and batch, same replies. Each is drawn with a seed of its own, from ``seed``, its request and its
    repeat, so that what else is asked does not change it.

    Parameters
    ----------
    batch
        Prompts that the model reads at once. Another number may change the last digits of probabilities.
    progress
        Told the number of replies so far.
    """
    replies: list[RecordedReply] = []
    for start in range(0, len(requests), batch):
        if stop():
            break
        part = requests[start : start + batch]
        replies += [
            RecordedReply(request=request, reply=_reply(model, request, generated))
            for request, generated in zip(
                part, model.continued([_prompted(r, seed) for r in part]), strict=True
            )
        ]
        progress(len(replies))
    return tuple(replies)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """How models are asked, and where their replies are kept."""

    seed: int = 0
    batch: int = 64
    folder: Path | None = None
    """Of reply files, so that a stopped evaluation goes on; None keeps nothing."""
    progress: Progress = lambda _: None
    stop: Stop = lambda: False

    def ask(
        self, model: LocalModel, name: str, design: StudyDesign, requests: Sequence[Request]
    ) -> tuple[RecordedReply, ...]:
        """Return a reply to every request, in their order. Those kept in the file ``name`` are not asked again.

        Raises
        ------
        Stopped
            ``stop`` said so; the replies so far are kept.
        """
        path = None if self.folder is None else self.folder / f"{name}.jsonl"
        replies = self._kept(path, requests)
        at_once = self.batch * _BATCHES_BETWEEN_WRITES
        while len(replies) < len(requests):
            so_far = len(replies)
            rest = requests[so_far : so_far + at_once]
            replies += answer_requests(
                model,
                rest,
                seed=self.seed,
                batch=self.batch,
                progress=lambda n, so_far=so_far: self.progress(  # type: ignore[misc]
                    f"{name}: {so_far + n} of {len(requests)} prompts"
                ),
                stop=self.stop,
            )
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
                write_replies(path, reply_file(model, design, replies, planned=len(requests)))
            if len(replies) < so_far + len(rest):
                kept = "nothing is kept" if path is None else f"what was answered is kept in {path.parent}"
                raise Stopped(f"{kept}; the same command goes on from there")
        return replies

    def _kept(self, path: Path | None, requests: Sequence[Request]) -> tuple[RecordedReply, ...]:
        """Return the kept replies to the first requests, up to where a batch begins."""
        if path is None or not path.is_file():
            return ()
        try:
            found = tuple(read_replies(path).replies)
        except BadReplies:
            # A model on this machine can be asked again at no cost, and its file is written anew.
            return ()
        n = len(found)
        same = n <= len(requests) and all(
            r.request.identity == q.identity for r, q in zip(found, requests, strict=False)
        )
        return () if not same else found if n == len(requests) else found[: n - n % self.batch]


def reply_file(
    model: LocalModel,
    design: StudyDesign,
    replies: Sequence[RecordedReply],
    *,
    planned: int | None = None,
    label: str = "",
) -> ReplyFile:
    """Return replies as a file that ``compare align`` reads."""
    return ReplyFile(
        model=model_string(model),
        slug=design.slug,
        title=design.title,
        design_hash=design_hash(design),
        attributes=design.attributes,
        planned=len(replies) if planned is None else planned,
        replies=tuple(replies),
        label=label or model.name,
    )


def _prompted(request: Request, seed: int) -> Prompted:
    settings = request.settings
    drawn = np.random.SeedSequence([seed, int(request.key[:16], 16), request.repeat])
    return Prompted(
        messages=request.messages,
        temperature=1.0 if settings.temperature is None else settings.temperature,
        top_p=1.0 if settings.top_p is None else settings.top_p,
        max_tokens=settings.max_tokens or _MOST_TOKENS,
        seed=int(drawn.generate_state(1)[0]),
        top_logprobs=TOP_LOGPROBS if request.variant.answer_format is AnswerFormat.FIRST_TOKEN else 0,
    )


def _reply(model: LocalModel, request: Request, generated: Generated) -> Reply:
    brings = request.variant.answer_format is AnswerFormat.FIRST_TOKEN and generated.tokens
    return Reply(
        content=generated.text,
        finish_reason=generated.finish_reason,
        returned_model=model.name,
        system_fingerprint=model.fingerprint[:FINGERPRINT_DIGITS],
        tokens_in=generated.tokens_in,
        tokens_out=generated.tokens_out,
        first_token=dict(generated.tokens[0].top) if brings else None,
    )
