"""Failed calls in words."""

import pytest

from llm_compare.asking.attempts import FailedCall
from llm_compare.commands.failures import FailureNotes, calls_left_words, failure_words
from llm_compare.replies.reply import Failure

DOWN = Failure(
    kind="InternalServerError",
    status=500,
    message="litellm.InternalServerError: InternalServerError: OpenAIException - Connection error.",
)
BUSY = Failure(kind="RateLimitError", status=429, message="litellm.RateLimitError: slow down")


def test_a_failure_is_named_once_with_what_the_provider_said():
    boom = Failure(kind="E", status=500, message="litellm.APIError: APIError: OpenAIException - boom")
    assert failure_words(boom) == "E: boom"
    assert failure_words(Failure(kind="Abandoned", status=None, message="")) == "Abandoned"


@pytest.mark.parametrize(
    ("failure", "way_out"),
    [
        (DOWN, "check that the server runs"),
        (BUSY, "--concurrency"),
        (Failure(kind="AuthenticationError", status=401, message="no"), "check the key"),
        (Failure(kind="NotFoundError", status=404, message="no such model"), "--api-base"),
        (Failure(kind="BadRequestError", status=400, message="unknown: response_format"), "--no-schema"),
    ],
)
def test_a_failure_with_a_known_cause_names_the_way_out(failure, way_out):
    assert way_out in failure_words(failure)


def test_each_kind_of_failed_attempt_is_told_of_once_and_how_long_the_wait_is(capsys):
    notes = FailureNotes()
    for failed in (FailedCall(failure=BUSY, retry_after_seconds=30.0), FailedCall(failure=DOWN)) * 3:
        notes.note(None, failed)
    said = capsys.readouterr().err
    assert said.count("an attempt failed and is made again") == 2
    assert "after the 30 s that the provider asks for: RateLimitError: slow down" in said


def test_what_is_not_tried_again_is_left_to_the_end_of_the_run(capsys):
    FailureNotes().note(None, FailedCall(failure=Failure(kind="E", status=401, message="no")))
    assert capsys.readouterr().err == ""


def test_one_call_is_not_called_calls():
    assert calls_left_words(1, 0).startswith("1 call failed, 0 were not made.")
    assert calls_left_words(1200, 1).startswith("1,200 calls failed, 1 was not made.")
