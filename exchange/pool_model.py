"""What a simulated pool is drawn from: shares of blood groups, of sensitization, of profiles. Pure.

Every constant of a named model stands here with its source.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from math import isfinite

from exchange.compatibility import (
    WIFE_NEGATIVE_CROSSMATCH_FACTOR,
    blood_compatible,
    positive_crossmatch_probability,
)
from exchange.errors import BadModel
from exchange.formats.text_rows import place_text
from exchange.pool import BloodGroup

SHARES_SUM_TOLERANCE = 0.01
"""Published shares are rounded; a draw is scaled to their sum."""
MOST_CROSSMATCH_TESTS = 10

ProfileValues = tuple[tuple[str, str | int | float], ...]
Place = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CpraClass:
    """Patients who are sensitized alike."""

    share: float
    """Share of all patients, before pairs are sorted into compatible and incompatible."""
    positive_crossmatch: float
    """Probability that their crossmatch with a donor is positive: the cPRA, unless the donor is the husband."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileShare:
    """How often patients have a profile."""

    share: float
    values: ProfileValues
    """(attribute, value) of a study's profile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolModel:
    """The constants of a pool generator in the manner of Saidman et al. (2006). Checked on construction.

    Raises
    ------
    BadModel
        A share or probability outside [0, 1], shares that do not sum to 1, or a blood group left out.
    """

    name: str
    source: str
    """Where the constants come from; part of the note of every pool drawn."""
    patient_blood_groups: Mapping[BloodGroup, float]
    """Share of each group among all patients; likewise for the donors of pairs and non-directed donors."""
    donor_blood_groups: Mapping[BloodGroup, float]
    ndd_blood_groups: Mapping[BloodGroup, float]
    female_patient: float
    spousal_donor: float
    """Share of donors who are the patient's spouse; independent of the patient's sex."""
    wife_negative_crossmatch_factor: float = WIFE_NEGATIVE_CROSSMATCH_FACTOR
    """What is left of the probability of a negative crossmatch for a woman whose donor is her husband."""
    cpra_classes: tuple[CpraClass, ...]
    profile_shares: tuple[ProfileShare, ...] = ()
    """Shares of profiles; empty: the study says how patients are described."""
    crossmatch_tests: int = 1
    """Crossmatches between the donor of one pair and the patient of another, of which one negative is enough.

    1 is what a crossmatch means. The simulation of Freedman et al. tests twice where two pairs arrive on the same
    day, and once otherwise; 2 gives the pool of pairs who all arrived together in it. Non-directed donors, whom
    that simulation does not have, are tested once.
    """

    def __post_init__(self) -> None:
        complaints = list(_complaints(self))
        if complaints:
            said = "; ".join(f"{place_text(place)}: {text}" for place, text in complaints)
            raise BadModel(f"model '{self.name}': {said}", complaints)

    @property
    def description(self) -> str:
        """The source and every constant but the profiles' shares, in words."""
        groups = f"blood groups {_groups_text(self.patient_blood_groups)}"
        if not self.patient_blood_groups == self.donor_blood_groups == self.ndd_blood_groups:
            groups = (
                f"blood groups of patients {_groups_text(self.patient_blood_groups)}, "
                f"of their donors {_groups_text(self.donor_blood_groups)}, "
                f"of ndds {_groups_text(self.ndd_blood_groups)}"
            )
        levels = "/".join(_fraction(c.positive_crossmatch, 2) for c in self.cpra_classes)
        shares = "/".join(_fraction(c.share, 4) for c in self.cpra_classes)
        tests = f"; {self.crossmatch_tests} crossmatches between pairs, one negative is enough"
        return (
            f"{self.source}: {groups}; female patient {_fraction(self.female_patient, 4)}; "
            f"spousal donor {_fraction(self.spousal_donor, 4)}; cPRA {levels} with shares {shares}, "
            f"wives 1 - {_fraction(self.wife_negative_crossmatch_factor, 2)} (1 - cPRA)"
            f"{tests if self.crossmatch_tests > 1 else ''}"
        )


def compatible_share(model: PoolModel) -> float:
    """Return the share of pairs whose donor fits the own patient, before any are left out. Exact."""
    wife = model.female_patient * model.spousal_donor
    total = sum(c.share for c in model.cpra_classes)
    negative = 0.0
    for level in model.cpra_classes:
        for donor_is_husband, chance in ((True, wife), (False, 1.0 - wife)):
            positive = positive_crossmatch_probability(
                level.positive_crossmatch,
                donor_is_husband=donor_is_husband,
                wife_factor=model.wife_negative_crossmatch_factor,
            )
            negative += level.share / total * chance * (1.0 - positive)
    patients, donors = model.patient_blood_groups, model.donor_blood_groups
    fits = sum(patients[p] * donors[d] for p, d in product(patients, donors) if blood_compatible(d, p))
    return negative * fits / (sum(patients.values()) * sum(donors.values()))


def _complaints(model: PoolModel) -> Iterator[tuple[Place, str]]:
    """Yield what is wrong with a model: the place, as in a settings file, and the complaint."""
    for name in ("patient_blood_groups", "donor_blood_groups", "ndd_blood_groups"):
        groups: Mapping[BloodGroup, float] = getattr(model, name)
        missing = [str(g) for g in BloodGroup if g not in groups]
        if missing:
            yield (name,), f"group {', '.join(missing)} is left out; give 0 if nobody has it"
        yield from _share_complaints({(name, str(g)): share for g, share in groups.items()}, (name,))
    for name in ("female_patient", "spousal_donor", "wife_negative_crossmatch_factor"):
        yield from _fraction_complaints((name,), getattr(model, name))
    yield from _share_complaints(
        {("cpra_classes", i, "share"): c.share for i, c in enumerate(model.cpra_classes)}, ("cpra_classes",)
    )
    for i, level in enumerate(model.cpra_classes):
        yield from _fraction_complaints(("cpra_classes", i, "positive_crossmatch"), level.positive_crossmatch)
    if model.profile_shares:
        yield from _share_complaints(
            {("profiles", i, "share"): p.share for i, p in enumerate(model.profile_shares)}, ("profiles",)
        )
    if not 1 <= model.crossmatch_tests <= MOST_CROSSMATCH_TESTS:
        yield (
            ("crossmatch_tests",),
            f"{model.crossmatch_tests} is not a number of tests; give 1 to {MOST_CROSSMATCH_TESTS}",
        )


def _fraction_complaints(place: Place, value: float) -> Iterator[tuple[Place, str]]:
    if not isfinite(value) or not 0 <= value <= 1:
        yield place, f"{value:g} is no fraction; give a number between 0 and 1"


def _share_complaints(shares: Mapping[Place, float], whole: Place) -> Iterator[tuple[Place, str]]:
    wrong = [found for place, share in shares.items() for found in _fraction_complaints(place, share)]
    yield from wrong
    total = sum(shares.values())
    if not wrong and abs(total - 1.0) > SHARES_SUM_TOLERANCE:
        yield whole, f"the shares sum to {total:.6g}; they should sum to 1"


def _groups_text(groups: Mapping[BloodGroup, float]) -> str:
    return ", ".join(f"{group} {_fraction(groups[group], 4)}" for group in BloodGroup)


def _fraction(value: float, digits: int) -> str:
    """Return a fraction without its leading zero, in full and with at least so many digits."""
    text = repr(float(value))
    if "e" in text or value >= 1:
        return f"{value:g}"
    return "." + text.removeprefix("0.").ljust(digits, "0")


# Saidman, Roth, Sönmez, Ünver, Delmonico (2006), "Increasing the opportunity of live kidney donation by matching
# for two- and three-way exchanges", Transplantation 81:773-782, as coded in SaidmanPoolGenerator.java of
# Dickerson's KidneyExchange and kept by Freedman et al. (2020) in EthicalPoolGenerator.java. The same blood
# group shares serve patients, their donors and non-directed donors.
_SAIDMAN_BLOOD_GROUPS = {
    BloodGroup.O: 0.4814,
    BloodGroup.A: 0.3373,
    BloodGroup.B: 0.1428,
    BloodGroup.AB: 0.0385,
}
SAIDMAN = PoolModel(
    name="saidman",
    source="Saidman et al. (2006) constants as in Dickerson's KidneyExchange code and Freedman et al. (2020)",
    patient_blood_groups=_SAIDMAN_BLOOD_GROUPS,
    donor_blood_groups=_SAIDMAN_BLOOD_GROUPS,
    ndd_blood_groups=_SAIDMAN_BLOOD_GROUPS,
    female_patient=0.4090,
    spousal_donor=0.4897,
    cpra_classes=(
        CpraClass(share=0.7019, positive_crossmatch=0.05),
        CpraClass(share=0.2000, positive_crossmatch=0.45),
        CpraClass(share=0.0981, positive_crossmatch=0.90),
    ),
)

# Trimble's re-implementation of the generator, after Glorie's thesis, has .10 for the medium class. Its published
# data come with these settings (generated-kidney-data, saidman.genconfig, PRA_bands).
SAIDMAN_GLORIE = replace(
    SAIDMAN,
    name="saidman-glorie",
    source="Saidman et al. (2006) constants with Glorie's medium cPRA class, as in Trimble's generated-kidney-data",
    cpra_classes=(
        CpraClass(share=0.7019, positive_crossmatch=0.05),
        CpraClass(share=0.2000, positive_crossmatch=0.10),
        CpraClass(share=0.0981, positive_crossmatch=0.90),
    ),
)


def freedman_profile_shares(health_multiplier: float) -> tuple[ProfileShare, ...]:
    """Return the shares of the eight profiles of Freedman et al. (2020), in the order of their code.

    EthicalPoolGenerator.java and, with the multiplier, VariationPoolGenerator.java of Freedman's KidneyExchange.

    Parameters
    ----------
    health_multiplier
        Multiplies the probability of being healthy; 1 in the paper, 0.8 in the follow-up.
    """
    young = 0.275
    rare_drinker = {"young": 0.728, "old": 0.828}
    healthy = {"young": 0.9999063, "old": 0.999275}
    shares = []
    for age, health, drinking in product(("young", "old"), ("healthy", "cancer"), ("rare", "frequent")):
        share = young if age == "young" else 1.0 - young
        is_healthy = healthy[age] * health_multiplier
        share *= is_healthy if health == "healthy" else 1.0 - is_healthy
        share *= rare_drinker[age] if drinking == "rare" else 1.0 - rare_drinker[age]
        values = (("age", age), ("drinking", drinking), ("health", health))
        shares.append(ProfileShare(share=share, values=values))
    return tuple(shares)


# Freedman, Schaich Borg, Sinnott-Armstrong, Dickerson, Conitzer (2020), Artificial Intelligence 283, 103261.
FREEDMAN = replace(
    SAIDMAN,
    name="freedman2020",
    source=(
        "Freedman et al. (2020), Artificial Intelligence 283, 103261, EthicalPoolGenerator.java, "
        "with the constants of Saidman et al. (2006)"
    ),
    profile_shares=freedman_profile_shares(1.0),
)

# Its follow-up has healthy patients 0.8 times as often, so that profiles with cancer occur at all.
FREEDMAN_HETEROGENEOUS = replace(
    SAIDMAN,
    name="freedman2020-heterogeneous",
    source=(
        "Freedman (2020), Aligning with Heterogeneous Preferences for Kidney Exchange, "
        "VariationPoolGenerator.java, with the constants of Saidman et al. (2006)"
    ),
    profile_shares=freedman_profile_shares(0.8),
)

# The sparse generator of Dickerson's KidneyExchange, fitted to the pool of UNOS in April 2013: most patients are
# highly sensitized. Its published shares are three of four: AB is what is left to 1, which for donors
# (.345 + .459 + .197) is nothing. Non-directed donors have the donors' shares; sex and spouses are as in SAIDMAN.
_UNOS_DONORS = {BloodGroup.O: 0.345, BloodGroup.A: 0.459, BloodGroup.B: 0.197, BloodGroup.AB: 0.0}
UNOS_SPARSE = replace(
    SAIDMAN,
    name="unos-sparse",
    source="UNOS pool of April 2013 as in the sparse generator of Dickerson's KidneyExchange code",
    patient_blood_groups={
        BloodGroup.O: 0.651,
        BloodGroup.A: 0.200,
        BloodGroup.B: 0.124,
        BloodGroup.AB: 0.025,
    },
    donor_blood_groups=_UNOS_DONORS,
    ndd_blood_groups=_UNOS_DONORS,
    cpra_classes=(
        CpraClass(share=0.216, positive_crossmatch=0.50),
        CpraClass(share=0.160, positive_crossmatch=0.80),
        CpraClass(share=0.624, positive_crossmatch=0.98),
    ),
)

MODELS: Mapping[str, PoolModel] = {
    model.name: model for model in (SAIDMAN, SAIDMAN_GLORIE, FREEDMAN, FREEDMAN_HETEROGENEOUS, UNOS_SPARSE)
}
"""Every named model."""
