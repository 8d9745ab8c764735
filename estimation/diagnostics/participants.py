"""What each respondent's answers say about how they answered. Needs the answers themselves, not counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scipy import stats

from estimation.diagnostics.person_fit import PersonFit
from estimation.diagnostics.triads import Triads, triads_of
from estimation.errors import EstimationError
from survey.answers import Answer, AnswerSet, Choice, Presentation, Role
from survey.attention import Attention, Shown, attention_of
from survey.design import StudyDesign
from survey.pairing.dominance import better_of

FAST_SECONDS = 2.0
"""Less time per comparison than this is hardly enough to read it: two seconds per item is the usual line (Huang,
Curran, Keeney, Poposki and DeShon 2012, J. Bus. Psychol. 27)."""

# Waves follow one another; a wave has fewer presentations than this.
_WAVE = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Participant:
    """How one respondent answered, a person or a model. Shares are of main answers."""

    respondent: str
    n_answers: int
    n_decided: int
    n_waves: int
    triads: Triads
    n_left: int
    """Decided answers for the left side."""
    side_p: float | None
    """Two-sided exact binomial probability of so one-sided answers if either side is as likely; None where all are
    indecisions. It says nothing where the design fixed which profile stands left."""
    n_timed: int
    """Main answers whose time is known."""
    fast_share: float | None
    """Share of these that took less than the threshold; None without times."""
    attention: Attention
    """Checks, dominated pairs, repeats, runs and median time, as the survey counts them."""
    checks_unknown: int
    """Checks answered whose expected answer the answers and the design do not tell."""
    fit: PersonFit | None
    """Against the group's fit; None where there is none, or it uses none of these answers."""

    @property
    def indecision_share(self) -> float:
        """Share of indecisions among main answers."""
        return 1 - self.n_decided / self.n_answers

    @property
    def left_share(self) -> float | None:
        """Share of decided answers for the left side; None where all are indecisions."""
        return self.n_left / self.n_decided if self.n_decided else None

    @property
    def reliability(self) -> float | None:
        """Share of repeats, sides exchanged, that were answered as before; None without repeats.

        The intra-respondent reliability of conjoint studies (Clayton, Horiuchi, Kaufman, King and Komisarchik 2023,
        Correcting Measurement Error Bias in Conjoint Survey Experiments).
        """
        n = self.attention.repeats_answered
        return 1 - self.attention.repeats_changed / n if n else None


def participants(
    answer_set: AnswerSet,
    *,
    design: StudyDesign | None = None,
    fits: Mapping[str, PersonFit] | None = None,
    arm: str | None = None,
    wave: int | None = None,
    fast_seconds: float = FAST_SECONDS,
) -> tuple[Participant, ...]:
    """Describe how each respondent answered.

    Respondents without a main answer are left out; those of several waves are described over all of them.

    Parameters
    ----------
    design
        Tells what checks and dominated comparisons expect; without it these are counted as unknown.
    fits
        Of :func:`estimation.diagnostics.person_fit.person_fit`, by respondent.
    arm, wave
        Only this arm or wave; None for all.
    fast_seconds
        An answer given in less time counts as fast.

    Raises
    ------
    EstimationError
        The source does not say who answered what.
    """
    if any(a.respondent is None for a in answer_set.answers):
        raise EstimationError(
            f"{answer_set.source}: does not say who gave which answer, so respondents cannot be described"
        )
    by_respondent: dict[str, list[Answer]] = {}
    for a in answer_set.answers:
        if (arm is None or a.arm == arm) and (wave is None or a.wave == wave):
            by_respondent.setdefault(str(a.respondent), []).append(a)
    return tuple(
        _participant(name, answers, design, (fits or {}).get(name), fast_seconds)
        for name, answers in by_respondent.items()
        if any(a.role is Role.MAIN for a in answers)
    )


def _participant(
    respondent: str,
    answers: list[Answer],
    design: StudyDesign | None,
    fit: PersonFit | None,
    fast_seconds: float,
) -> Participant:
    main = [a for a in answers if a.role is Role.MAIN]
    decided = [a for a in main if a.choice is not Choice.INDECISION]
    n_left = sum(a.choice is Choice.LEFT for a in decided)
    seconds = [a.seconds for a in main if a.seconds is not None]
    shown, unknown = _shown(answers, design)
    return Participant(
        respondent=respondent,
        n_answers=len(main),
        n_decided=len(decided),
        n_waves=len({a.wave for a in main}),
        triads=triads_of(main),
        n_left=n_left,
        side_p=float(stats.binomtest(n_left, len(decided)).pvalue) if decided else None,
        n_timed=len(seconds),
        fast_share=sum(s < fast_seconds for s in seconds) / len(seconds) if seconds else None,
        attention=attention_of(shown),
        checks_unknown=unknown,
        fit=fit,
    )


def _shown(answers: Sequence[Answer], design: StudyDesign | None) -> tuple[list[Shown], int]:
    """Return the answers as the survey's attention rules read them, and how many checks had to be left out."""
    placed = []
    for number, answer in enumerate(answers, 1):
        placed.append((answer.wave * _WAVE + (answer.position or number), answer))
    place_of_main = {
        (a.wave, a.comparison): place for place, a in placed if a.role is Role.MAIN and a.left != a.right
    }
    shown, unknown = [], 0
    for place, answer in placed:
        expected = None
        if answer.role in (Role.CHECK, Role.DOMINATED):
            expected = _expected(answer, design)
            if expected is None:
                unknown += 1
                continue
        repeats = answer.role is Role.REPEAT and answer.left != answer.right
        shown.append(
            Shown(
                presentation=Presentation(
                    left=answer.left,
                    right=answer.right,
                    attribute_order=(),
                    indecision_offered=answer.indecision_offered,
                    position=place,
                    role=answer.role,
                    expected=expected,
                    repeat_of=place_of_main.get((answer.wave, answer.comparison)) if repeats else None,
                ),
                choice=answer.choice,
                seconds=answer.seconds,
            )
        )
    return shown, unknown


def _expected(answer: Answer, design: StudyDesign | None) -> Choice | None:
    """Return what a check or a dominated comparison expects, as far as the design tells."""
    if design is None:
        return None
    if answer.role is Role.DOMINATED:
        better = better_of(design, answer.left, answer.right)
        if better is None:
            return None
        return Choice.LEFT if better == answer.left else Choice.RIGHT
    # An instructed check is an ordinary pair whose line says what to answer; answers do not keep the line. If the
    # pair of a listed check was drawn for one, too, nobody can tell them apart.
    if design.roles.instructed:
        return None
    for check in design.roles.checks:
        if (check.left, check.right) == (answer.left, answer.right):
            return Choice(check.expected)
        if (check.left, check.right) == (answer.right, answer.left):
            return Choice(check.expected).mirrored
    return None
