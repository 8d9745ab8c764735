"""What a simulation is about: who arrives and leaves, what fails, and how often the pool is cleared. Pure.

What is compared within a scenario (policies and weights) is a ``condition``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from math import expm1, isfinite

from exchange.arc_success import SURE, SuccessRule
from exchange.errors import BadScenario
from exchange.formats.text_rows import place_text
from exchange.pool import Pool
from exchange.pool_model import MOST_CROSSMATCH_TESTS, Place, PoolModel
from survey.design import Profile

MOST_DAYS = 36_525
MOST_MEAN = 10_000.0
NEWCOMER = "new-"
"""Beginning of the ids of those who arrive where somebody waits already."""


class ArrivalLaw(StrEnum):
    """How many arrive on a day."""

    POISSON = "poisson"
    """Poisson, with the mean."""
    FLOOR_EXPONENTIAL = "floor-exponential"
    """An exponential number with the mean, rounded down, as the code of Freedman et al. (2020) draws: geometric,
    with the mean 1 / (exp(1 / mean) - 1), for 4 that is 3.52."""
    NEGATIVE_BINOMIAL = "negative-binomial"
    """Days that differ from each other: the mean, and the variance mean + mean² / dispersion."""
    REGULAR = "regular"
    """As evenly as whole people allow."""
    LISTED = "listed"
    """The numbers that were listed, day by day, from the first again when they are used up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrivals:
    """How many arrive each day."""

    law: ArrivalLaw = ArrivalLaw.POISSON
    mean: float = 0.0
    """The law's mean parameter, per day; not used by ``listed``."""
    dispersion: float = 1.0
    """Of ``negative-binomial``: the smaller, the more days differ."""
    numbers: tuple[int, ...] = ()
    """Of ``listed``."""

    @property
    def expected(self) -> float:
        """Expected number per day."""
        if self.law is ArrivalLaw.LISTED:
            return sum(self.numbers) / len(self.numbers)
        if self.law is ArrivalLaw.FLOOR_EXPONENTIAL:
            # Above 700, the exponential is beyond floating point, and the expectation below 1e-300.
            return 1.0 / expm1(1.0 / self.mean) if self.mean > 1 / 700 else 0.0
        return self.mean


NOBODY = Arrivals()
"""Nobody ever arrives."""


class StayLaw(StrEnum):
    """How long somebody stays who is not matched."""

    FOREVER = "forever"
    """Until the end."""
    CONSTANT_RISK = "constant-risk"
    """Each day, that of arrival included, they leave with the same probability."""
    EXPONENTIAL = "exponential"
    """Exponential with the mean, and never shorter or longer than the least and most days."""
    WEIBULL = "weibull"
    """Weibull with the mean and shape: with a shape above 1 the risk grows with the time waited."""
    FIXED = "fixed"
    """As many days as the mean says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """How long somebody stays who is not matched. The day of leaving is drawn at arrival, the same under every
    policy."""

    law: StayLaw = StayLaw.FOREVER
    daily_risk: float = 0.0
    """Of ``constant-risk``: probability."""
    mean_days: float = 0.0
    shape: float = 1.0
    """Of ``weibull``."""
    least_days: int = 0
    most_days: int = MOST_DAYS


FOREVER = Stay()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensitization:
    """Patients whose antibodies come to rule out more donors while they wait, as after a transfusion."""

    yearly_rate: float = 0.0
    """Events per patient and year, at random times, the same under every policy."""
    increase: float = 0.0
    """What part of the donors that were still possible an event rules out, in [0, 1]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GraftFailure:
    """Patients who come back: their graft fails, they are more sensitized, and they bring another donor."""

    yearly_rate: float = 0.0
    """Failures per graft and year, at random times."""
    returns: float = 0.0
    """Probability that such a patient finds another donor and joins the pool again."""
    increase: float = 0.0
    """What part of the donors that were still possible the lost graft rules out, in [0, 1]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Everything a simulation depends on but its seed and what is compared. Checked on construction.

    A day goes: arrivals; people leave, and planned exchanges that they were part of fall through; exchanges whose
    day has come are carried out; on days of a match run, exchanges are planned among those who wait and are part
    of no plan.

    Raises
    ------
    BadScenario
        A number that cannot be; ``complaints`` holds (place, what is wrong) for each.
    """

    name: str
    source: str
    """Where the numbers are from."""
    model: PoolModel
    """What patients and donors are drawn from."""
    days: int
    arrivals: Arrivals
    """Of pairs."""
    ndd_arrivals: Arrivals = NOBODY
    """Of non-directed donors."""
    stay: Stay = FOREVER
    """Of pairs."""
    ndd_stay: Stay = FOREVER
    """Of non-directed donors, and of bridge donors from the day they become one."""
    match_every_days: int = 1
    """Days from one match run to the next; the first is on the first day."""
    delay_days: int = 1
    """Days from a match run to its transplants; with 0 they are carried out at once."""
    same_day_crossmatch_tests: int = 1
    """Crossmatches between the donor of one pair and the patient of another that arrives on the same day, of which
    one negative is enough; the code of Freedman et al. (2020) makes two. See ``PoolModel.crossmatch_tests``."""
    cycle_cap: int = 3
    """Most pairs in a cycle; 0 for no cycles."""
    chain_cap: int = 0
    """Most pairs in a chain that a match run plans; 0 for no chains."""
    has_bridge_donors: bool = True
    """Whether the last donor of a chain waits to begin another; otherwise they give to the waiting list."""
    renege: float = 0.0
    """Probability that a donor who should become a bridge donor never gives."""
    success: SuccessRule = SURE
    """Whether planned transplants happen; what fails, fails for good: that donor and patient are not planned again.
    One failure undoes a cycle; a chain goes on until its first failure."""
    sensitization: Sensitization = Sensitization()
    graft_failure: GraftFailure = GraftFailure()
    imported_profiles: tuple[Profile, ...] = ()
    """Real patients' profiles, of which each simulated patient gets one at random; empty: the model's shares or the
    study's, see ``exchange.people.ProfileDraw``."""
    first_pool: Pool | None = field(default=None, repr=False)
    """Who waits already on the first day; None for nobody. Their arcs among each other are the pool's, those with
    people who arrive later are drawn."""

    def __post_init__(self) -> None:
        complaints = list(_complaints(self))
        if complaints:
            said = "; ".join(f"{place_text(place)}: {text}" for place, text in complaints)
            raise BadScenario(f"scenario '{self.name}': {said}", complaints)


def _complaints(scenario: Scenario) -> Iterator[tuple[Place, str]]:
    if not 1 <= scenario.days <= MOST_DAYS:
        yield ("days",), f"{scenario.days} days cannot be simulated; give 1 to {MOST_DAYS}"
    if not 1 <= scenario.match_every_days <= MOST_DAYS:
        yield ("match_every_days",), f"{scenario.match_every_days} is no number of days; give 1 or more"
    if not 0 <= scenario.delay_days <= MOST_DAYS:
        yield ("delay_days",), f"{scenario.delay_days} is no number of days; give 0 or more"
    if not 1 <= scenario.same_day_crossmatch_tests <= MOST_CROSSMATCH_TESTS:
        yield (
            ("same_day_crossmatch_tests",),
            f"{scenario.same_day_crossmatch_tests} is not a number of tests; give 1 to {MOST_CROSSMATCH_TESTS}",
        )
    if scenario.cycle_cap < 0 or scenario.cycle_cap == 1:
        yield (
            ("cycle_cap",),
            f"{scenario.cycle_cap}: a cycle has at least 2 pairs; give 2 or more, or 0 for none",
        )
    if scenario.chain_cap < 0:
        yield (
            ("chain_cap",),
            f"{scenario.chain_cap} is negative; give the most pairs in a chain, or 0 for none",
        )
    if not scenario.cycle_cap and not scenario.chain_cap:
        yield ("cycle_cap",), "with neither cycles nor chains nobody is ever matched; allow one of them"
    yield from _fractions(
        {
            ("renege",): scenario.renege,
            ("sensitization", "increase"): scenario.sensitization.increase,
            ("graft_failure", "increase"): scenario.graft_failure.increase,
            ("graft_failure", "returns"): scenario.graft_failure.returns,
        }
    )
    for key, rate in (
        ("sensitization", scenario.sensitization.yearly_rate),
        ("graft_failure", scenario.graft_failure.yearly_rate),
    ):
        if not 0 <= rate <= 365:
            yield (key, "yearly_rate"), f"{rate:g} is no rate; give the events per year, 0 to 365"
    for key, arrivals in (("arrivals", scenario.arrivals), ("ndd_arrivals", scenario.ndd_arrivals)):
        yield from _arrival_complaints(key, arrivals)
    for key, stay in (("stay", scenario.stay), ("ndd_stay", scenario.ndd_stay)):
        yield from _stay_complaints(key, stay)
    if scenario.first_pool is not None:
        yield from _pool_complaints(scenario.first_pool)


def _arrival_complaints(key: str, arrivals: Arrivals) -> Iterator[tuple[Place, str]]:
    if arrivals.law is ArrivalLaw.LISTED:
        if not arrivals.numbers:
            yield (key, "numbers"), "law 'listed' needs the numbers of each day"
        elif min(arrivals.numbers) < 0:
            yield (key, "numbers"), f"{min(arrivals.numbers)} people cannot arrive; give 0 or more"
    elif not 0 <= arrivals.mean <= MOST_MEAN:
        yield (key, "mean"), f"{arrivals.mean:g} is no mean per day; give 0 to {MOST_MEAN:g}"
    if arrivals.law is ArrivalLaw.NEGATIVE_BINOMIAL and not 0 < arrivals.dispersion < float("inf"):
        yield (key, "dispersion"), f"{arrivals.dispersion:g} is no dispersion; give a number above 0"


def _stay_complaints(key: str, stay: Stay) -> Iterator[tuple[Place, str]]:
    if stay.law is StayLaw.CONSTANT_RISK:
        yield from _fractions({(key, "daily_risk"): stay.daily_risk})
    if stay.law in (StayLaw.EXPONENTIAL, StayLaw.WEIBULL, StayLaw.FIXED) and not (
        isfinite(stay.mean_days) and stay.mean_days > 0
    ):
        yield (key, "mean_days"), f"{stay.mean_days:g} is no mean; give a number of days above 0"
    if stay.law is StayLaw.WEIBULL and not 0.05 <= stay.shape <= 100:
        yield (key, "shape"), f"{stay.shape:g} is no shape; give 0.05 to 100"
    if not 0 <= stay.least_days <= stay.most_days:
        yield (
            (key, "least_days"),
            f"{stay.least_days} to {stay.most_days} days cannot be; give least, then most",
        )


def _pool_complaints(pool: Pool) -> Iterator[tuple[Place, str]]:
    unknown = [
        pair.id
        for pair in pool.pairs
        if pair.patient_blood_group is None or pair.donor_blood_group is None or pair.cpra is None
    ] + [ndd.id for ndd in pool.ndds if ndd.blood_group is None]
    if unknown:
        yield (
            ("first_pool",),
            f"{pool.source}: who could give to those who arrive later cannot be drawn for {len(unknown)} pair(s) "
            f"or donor(s) without blood group or cPRA, among them {', '.join(unknown[:5])}",
        )
    taken = [pair.id for pair in pool.pairs if pair.id.startswith(NEWCOMER)]
    if taken:
        yield (
            ("first_pool",),
            f"{pool.source}: ids that begin with '{NEWCOMER}' are those of people who arrive later; rename "
            f"{', '.join(taken[:5])}",
        )
    compatible = [pair.id for pair in pool.pairs if pair.is_compatible]
    if compatible:
        yield (
            ("first_pool",),
            f"{pool.source}: {len(compatible)} compatible pair(s), among them {', '.join(compatible[:5])}; "
            "simulations have incompatible pairs only, so take them out",
        )


def _fractions(values: dict[Place, float]) -> Iterator[tuple[Place, str]]:
    for place, value in values.items():
        if not isfinite(value) or not 0 <= value <= 1:
            yield place, f"{value:g} is no fraction; give a number between 0 and 1"
