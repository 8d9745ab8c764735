"""People of Study 1 against models with known rules: the parts of an alignment agree with what is known of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from llm_compare.alignment.alignment import ModelAlignment, align_model
from llm_compare.alignment.fits import decided_weights, fit_alike
from llm_compare.alignment.resampling import Resampling
from llm_compare.alignment.sides import People, asked_models, people_under
from llm_compare.errors import NotComparable
from llm_compare.prompting.call import Settings
from llm_compare.prompting.plan import plan_requests
from llm_compare.prompting.request import Request
from llm_compare.prompting.variant import Framing, Variant
from llm_compare.replies.replies_file import ReplyFile
from llm_compare.replies.reply import Failure, RecordedReply, Reply
from survey.answers import Choice
from survey.design import Profile, design_hash
from survey.design_file import example_design
from survey.published_answers import import_study_1_counts

DESIGN = example_design("kidney-study1")
FEW = Resampling(n_draws=20, seed=1)
Rule = Callable[[Profile, Profile], Choice]


@pytest.fixture(scope="module")
def people() -> People:
    """The 62 people of Study 1 who were offered the coin; who answered what is not published."""
    answers = import_study_1_counts()
    return people_under(answers, DESIGN.attributes, indecision_offered=True, design_hash=design_hash(DESIGN))


def replies_by(rule: Rule, *variants: Variant, repeats: int = 2) -> ReplyFile:
    requests = plan_requests(
        DESIGN,
        DESIGN.comparisons(),
        arm=DESIGN.arm("with-coin"),
        model="openai/anything",
        settings=Settings(),
        variants=variants or (Variant(),),
        repeats=repeats,
    )
    return ReplyFile(
        model="openai/anything",
        slug=DESIGN.slug,
        title=DESIGN.title,
        design_hash=design_hash(DESIGN),
        attributes=DESIGN.attributes,
        planned=len(requests),
        replies=tuple(RecordedReply(request=r, reply=answered(rule, r)) for r in requests),
    )


def answered(rule: Rule, request: Request) -> Reply:
    return Reply(content=request.labels.mark(rule(request.left, request.right)))


def youngest_first(left: Profile, right: Profile) -> Choice:
    if left["age"] == right["age"]:
        return Choice.INDECISION
    return Choice.LEFT if left["age"] < right["age"] else Choice.RIGHT


def majority_of(people: People) -> Rule:
    votes: dict[frozenset[Profile], Counter[object]] = {}
    for a in people.answers:
        chosen = {Choice.LEFT: a.left, Choice.RIGHT: a.right}.get(a.choice, a.choice)
        votes.setdefault(frozenset((a.left, a.right)), Counter())[chosen] += 1

    def rule(left: Profile, right: Profile) -> Choice:
        best = votes[frozenset((left, right))].most_common(1)[0][0]
        return best if isinstance(best, Choice) else Choice.LEFT if best == left else Choice.RIGHT

    return rule


def aligned(people: People, file: ReplyFile) -> ModelAlignment:
    (asked,) = asked_models({"m": file})
    return align_model(
        people,
        asked,
        profiles=DESIGN.profiles(),
        people_weights=decided_weights(people),
        regularize=True,
        resampling=FEW,
        n_splits=20,
    )


@pytest.fixture(scope="module")
def by_majority(people) -> ModelAlignment:
    """A model that always makes the people's most frequent choice."""
    return aligned(people, replies_by(majority_of(people)))


def test_a_model_that_gives_the_majority_choice_agrees_in_full_and_is_still_not_like_people(by_majority):
    found = by_majority.alignment
    assert found.agreement.answers_with_majority.model.value == 1
    assert found.agreement.modal_with_majority.model.value == 1
    assert found.agreement.answers_with_majority.people.value < 0.7
    assert found.distance.total_variation.model.value > 0.3
    assert len(by_majority.comparisons) == found.agreement.n_comparisons == 14


def test_everything_that_a_report_needs_to_say_of_the_calls_is_there(by_majority):
    calls = by_majority.calls
    assert calls.outcomes.n == 14 * 2 * 2 == sum(calls.outcomes.counts.values())
    assert calls.prompts[0].messages[0][0] == "system"
    assert calls.prompts[0].parameters == {"max_tokens": 16}
    assert by_majority.asks_as_people
    assert (by_majority.variants, by_majority.prompt_factors) == ((), None)


def test_where_people_are_anonymous_nobody_is_ranked_and_the_reason_is_given(by_majority):
    assert by_majority.alignment.percentile.percentile.value is None
    assert by_majority.alignment.percentile.percentile.reason


def test_a_rule_without_exception_is_regularized_and_never_a_crash(people):
    (asked,) = asked_models({"m": replies_by(youngest_first)})
    fits = fit_alike(people, [asked.headline])
    assert fits.prior_answers == 1 + len(fits.people.weights.coefficients)
    assert "follows a rule without exception" in fits.notes[0]
    assert fits.models["m"].weights.coefficients["age"].value < 0


def test_a_model_whose_answers_say_nothing_of_an_attribute_cannot_be_weighed(people):
    file = replies_by(youngest_first)
    alike = [r for r in file.replies if r.request.left["drinking"] == r.request.right["drinking"]]
    (asked,) = asked_models({"m": replace(file, replies=tuple(alike))})
    with pytest.raises(NotComparable, match="replies of m: attribute weights cannot be estimated"):
        fit_alike(people, [asked.headline])


def test_other_variants_stand_beside_the_headline_and_what_they_change_is_measured(people):
    clinician = Variant(name="clinician", framing=Framing.CLINICIAN)
    plain = replies_by(majority_of(people), clinician, Variant())

    def turned(recorded: RecordedReply) -> RecordedReply:
        if recorded.request.variant.framing is Framing.PLAIN:
            return recorded
        return replace(recorded, reply=answered(youngest_first, recorded.request))

    file = replace(plain, replies=tuple(turned(r) for r in plain.replies))
    found = aligned(people, file)
    assert found.variant == "as-people"
    headline, other = found.variants
    assert (headline.name, other.name) == ("as-people", "clinician")
    assert headline.with_random_person.value > other.with_random_person.value
    (factor,) = found.prompt_factors.factors
    assert factor.factor == "framing"
    assert [p.variant for p in found.calls.prompts] == ["as-people", "clinician"]


def test_failed_and_unmade_calls_are_told_apart_from_answers(people):
    file = replies_by(majority_of(people))
    failed = Reply(content=None, error=Failure(kind="RateLimitError", status=429, message="slow down"))
    some = [replace(r, reply=failed) if i < 3 else r for i, r in enumerate(file.replies)]
    found = aligned(people, replace(file, replies=tuple(some[:-2])))
    assert found.calls.outcomes.counts["error"] == 3
    assert found.calls.failures == {"RateLimitError": 3}
    assert found.n_answers == 14 * 2 * 2 - 5
    assert "2 of 56 planned calls were not made" in found.notes[-1]
