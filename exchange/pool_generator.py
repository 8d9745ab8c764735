"""Simulated pools after Saidman et al. (2006). Pure; keyed by a seed, see ``people``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from exchange.arc_success import SURE, SuccessRule, success_probability
from exchange.compatibility import always_positive_probability, possible_transplants
from exchange.errors import BadRequest
from exchange.people import GroupDraw, Person, PersonDraw, ProfileDraw, Stream, keyed
from exchange.pool import Arc, BloodGroup, BoolArray, NonDirectedDonor, Pair, Pool
from exchange.pool_model import SAIDMAN, PoolModel
from survey.design import StudyDesign, design_hash


def generate_pool(
    design: StudyDesign,
    *,
    n_pairs: int,
    n_ndds: int,
    seed: int,
    model: PoolModel = SAIDMAN,
    keep_compatible: bool = False,
    success: SuccessRule = SURE,
) -> Pool:
    """Simulate a pool of pairs and non-directed donors whose patients the design describes.

    Profiles have the model's shares where it has some; otherwise the design's ``patient_share`` where every listed
    profile has one; otherwise they are drawn as the design draws profiles for its comparisons. They are independent
    of blood groups and cPRA.

    Parameters
    ----------
    n_pairs, n_ndds
        Numbers of pairs and non-directed donors.
    seed
        At least 0. The same seed gives the same pool, and a larger pool contains every smaller one.
    model
        Constants to draw from.
    keep_compatible
        Whether pairs whose donor fits the own patient stay in the pool, counted in ``n_pairs``, with an arc to
        themselves. Otherwise others are drawn in their place, as in the published generators.
    success
        Gives each arc its success probability by the recipient's cPRA. A compatible pair's arc to itself has 1: its
        crossmatch is made, and nothing has to be arranged with others.

    Raises
    ------
    BadRequest
        A negative number or seed; a model with profiles that the study does not have, or with almost no
        incompatible pairs.
    """
    for name, value in (("pairs", n_pairs), ("non-directed donors", n_ndds), ("seed", seed)):
        if value < 0:
            raise BadRequest(f"{name}: {value} is negative; give 0 or more")
    people, profiles = PersonDraw(model, keep_compatible=keep_compatible), ProfileDraw(design, model)
    drawn = [people.draw(keyed(seed, Stream.PAIR, k)) for k in range(n_pairs)]
    pairs = tuple(
        Pair(
            id=f"P{k + 1}",
            patient_blood_group=person.patient,
            donor_blood_group=person.donor,
            cpra=person.cpra,
            profile=profiles.draw(keyed(seed, Stream.PROFILE, k)),
            is_compatible=person.is_compatible,
        )
        for k, person in enumerate(drawn)
    )
    groups = GroupDraw(model.ndd_blood_groups)
    ndd_groups = [groups.draw(keyed(seed, Stream.NDD, k)) for k in range(n_ndds)]
    ndds = tuple(NonDirectedDonor(id=f"N{k + 1}", blood_group=group) for k, group in enumerate(ndd_groups))
    possible = _possible_arcs(drawn, ndd_groups, model, seed)
    n_compatible = sum(person.is_compatible for person in drawn)
    compatible = f"{n_compatible} of {n_pairs} pairs compatible" if keep_compatible else "left out"
    words = [
        f"Simulated. {model.description}; compatible pairs {'kept, ' if keep_compatible else ''}{compatible}.",
        f"Profiles by {profiles.words} of study '{design.slug}' "
        f"version {design.version}, design hash {design_hash(design)}.",
    ]
    if success != SURE:
        words.append(f"{success.description[0].upper()}{success.description[1:]}.")
    return Pool(
        pairs=pairs,
        ndds=ndds,
        arcs=tuple(_arcs(possible, pairs, ndds, success)),
        source=_source(n_pairs, n_ndds, seed, model, keep_compatible=keep_compatible, success=success),
        attributes=design.attributes,
        is_simulated=True,
        note=" ".join(words),
    )


def _source(
    n_pairs: int, n_ndds: int, seed: int, model: PoolModel, *, keep_compatible: bool, success: SuccessRule
) -> str:
    parts = [f"generated: {n_pairs} pairs", f"{n_ndds} ndds", f"seed {seed}"]
    if model != SAIDMAN:
        parts.append(f"model {model.name}")
    if keep_compatible:
        parts.append("compatible pairs kept")
    if success != SURE:
        parts.append(f"success {success.name}")
    return ", ".join(parts)


def _possible_arcs(
    drawn: Sequence[Person], ndd_groups: Sequence[BloodGroup], model: PoolModel, seed: int
) -> BoolArray:
    """Draw one crossmatch per donor (rows: pairs, then ndds) and recipient (columns).

    The k-th number of a donor's own stream belongs to recipient k, so an arc depends on seed, donor and recipient.
    """
    n_pairs, n_ndds = len(drawn), len(ndd_groups)
    streams = [
        *((Stream.ARCS_FROM_PAIR, k) for k in range(n_pairs)),
        *((Stream.ARCS_FROM_NDD, k) for k in range(n_ndds)),
    ]
    draws = np.empty((n_pairs + n_ndds, n_pairs))
    for row, (stream, member) in enumerate(streams):
        keyed(seed, stream, member).random(out=draws[row])
    # A number beyond the probability that all tests are positive is a negative test among them; so a pool with more
    # tests has every arc of one with fewer.
    tests = np.repeat([model.crossmatch_tests, 1], [n_pairs, n_ndds])[:, np.newaxis]
    possible = possible_transplants(
        [*(person.donor for person in drawn), *ndd_groups],
        [person.patient for person in drawn],
        positive_probability=always_positive_probability([person.cpra for person in drawn], tests),
        draws=draws,
    )
    own = np.arange(n_pairs)
    possible[own, own] = [person.is_compatible for person in drawn]
    return possible


def _arcs(
    possible: BoolArray, pairs: Sequence[Pair], ndds: Sequence[NonDirectedDonor], success: SuccessRule
) -> Iterable[Arc]:
    recipients = [pair.id for pair in pairs]
    cpra = [0.0 if pair.cpra is None else pair.cpra for pair in pairs]
    likely: list[float] = success_probability(success, cpra).tolist()
    for i, donor in enumerate((*recipients, *(ndd.id for ndd in ndds))):
        for j in np.flatnonzero(possible[i]).tolist():
            yield Arc(donor=donor, recipient=recipients[j], success_probability=1.0 if i == j else likely[j])
