"""The search for the population of greatest marginal likelihood: where draws are placed, when it ends."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, logsumexp

from estimation.errors import DidNotConverge
from estimation.heterogeneity.marginal_likelihood import (
    GAIN_TOLERANCE,
    Curvature,
    Frozen,
    Population,
    parameters_of,
)
from estimation.heterogeneity.panel import Panel

Array = NDArray[np.float64]

# Heavier tails than the normal: answers of one kind only leave a respondent's coefficients a long tail.
_DEGREES = 6
# Draws are adjusted to the normal's moments so many times; each time is more exact by orders of magnitude.
_MATCHING_STEPS = 8
# Draws per respondent while the population is still on its way.
_EARLY_DRAWS = 64
# The population has arrived when placing draws anew gains less than this share of the error from using draws.
_SETTLED = 0.1
_MOST_ROUNDS = 80
_MOST_NEWTON_STEPS = 50


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Settled:
    """Where the search ended."""

    frozen: Frozen
    """The draws, with the population found."""
    curvature: Curvature
    """There."""
    rounds: int
    """Times that draws were placed."""
    gain_left: float
    """Log-likelihood units that one more Newton step would gain."""


def settled(
    panel: Panel,
    varying: NDArray[np.intp],
    start: Population,
    *,
    draws: int,
    seed: int,
    widest: float,
) -> Settled:
    """Find the population with the greatest marginal likelihood.

    Draws are placed around every respondent's most likely coefficients under the population found so far, the
    population climbs on them, and so on: first with few draws, then with all. At last the draws stay, and Newton
    steps reach the maximum on them.

    Parameters
    ----------
    widest
        Standard deviation, in log-odds, beyond which the search gives up.

    Raises
    ------
    DidNotConverge
        The population grows ever wider, or the rounds do not suffice.
    """
    population, rounds, modes = start, 0, None
    frozen = None
    for n_draws in dict.fromkeys((min(_EARLY_DRAWS, draws), draws)):
        reached = -np.inf
        while True:
            frozen, modes = placed(panel, varying, population, draws=n_draws, seed=seed, modes=modes)
            rounds += 1
            now = frozen.log_likelihood()
            if len(population.common):
                curvature = frozen.curvature()
                frozen = frozen.stepped(curvature, curvature.is_common)
            frozen = frozen.climbed()
            population = frozen.population
            if np.sqrt(np.linalg.eigvalsh(population.covariance).max()) > widest:
                raise DidNotConverge(
                    "respondents differ without bound: most of them seem to answer by rules without exception, so "
                    "their coefficients have no finite spread. Collect more comparisons between similar patients, "
                    "leave out attributes, or fit latent classes"
                )
            if now - reached < _SETTLED * frozen.monte_carlo_error():
                break
            reached = now
            if rounds > _MOST_ROUNDS:
                raise DidNotConverge(
                    f"the distribution of coefficients still moves after {rounds} rounds; collect more answers per "
                    "respondent, or let fewer coefficients vary"
                )
    assert frozen is not None  # noqa: S101 - there is at least one round
    for _ in range(_MOST_NEWTON_STEPS):
        curvature = frozen.curvature()
        gain = curvature.step(curvature.is_free)[1]
        if gain < GAIN_TOLERANCE:
            return Settled(frozen=frozen, curvature=curvature, rounds=rounds, gain_left=gain / 2)
        frozen = frozen.stepped(curvature, curvature.is_free)
    raise DidNotConverge(f"a Newton step would still gain {gain:.2g} log-likelihood units; take more draws")


def fresh(frozen: Frozen, *, seed: int) -> Frozen:
    """Return new draws under the same population: those used for the fit flatter it."""
    again, _ = placed(
        frozen.panel, frozen.varying, frozen.population, draws=frozen.n_draws, seed=(seed, 1), modes=None
    )
    return again


def placed(
    panel: Panel,
    varying: NDArray[np.intp],
    population: Population,
    *,
    draws: int,
    seed: int | tuple[int, ...],
    modes: Array | None,
) -> tuple[Frozen, Array]:
    """Draw coefficients around each respondent's most likely ones; return these, too, to start from next time."""
    modes, precision = most_likely(panel, varying, population, start=modes)
    root = np.linalg.cholesky(precision)
    # The same numbers whatever the population, so that it alone moves the draws.
    t, log_density = _nodes(np.random.default_rng(seed), panel.n_people, draws // 2, len(varying))
    # With precision L L', z L^-1 has the covariance wanted.
    off = t @ np.linalg.inv(root)
    log_density = log_density + np.log(np.diagonal(root, axis1=1, axis2=2)).sum(axis=1)[:, None]
    drawn = np.concatenate([modes[:, None] + off, modes[:, None] - off], axis=1)
    frozen = Frozen(
        panel=panel,
        varying=varying,
        population=population,
        draws=drawn,
        answers=panel.log_likelihoods(parameters_of(panel, varying, drawn, population.common)),
        drawn_from=np.concatenate([log_density, log_density], axis=1),
    )
    return frozen, modes


def _nodes(rng: np.random.Generator, n_people: int, n: int, k: int) -> tuple[Array, Array]:
    """Return draws from a t distribution with unit scale, adjusted to be exact for the normal, and log-densities.

    Weighted and mirrored, they have the normal's total weight, mean and covariance exactly. Coefficients of
    which the answers say little then look neither more nor less alike than they are; with plain draws such
    chance differences are magnified without bound as respondents become alike.
    """
    t = rng.standard_normal((n_people, n, k)) * np.sqrt(_DEGREES / rng.chisquare(_DEGREES, (n_people, n, 1)))
    for _ in range(_MATCHING_STEPS):
        weights = np.exp(_log_normal(t) - _log_t(t))
        weights /= weights.sum(axis=1, keepdims=True)
        root = np.linalg.cholesky(np.einsum("pr,prk,prl->pkl", weights, t, t, optimize=True))
        t = np.asarray(np.linalg.solve(root, t.transpose(0, 2, 1)).transpose(0, 2, 1), dtype=np.float64)
    log_density = _log_t(t)
    total = logsumexp(_log_normal(t) - log_density, axis=1, keepdims=True) - np.log(n)
    return t, log_density + total


def _log_normal(z: Array) -> Array:
    return np.asarray(-0.5 * (z**2).sum(axis=-1) - 0.5 * z.shape[-1] * np.log(2 * np.pi))


def _log_t(t: Array) -> Array:
    k = t.shape[-1]
    constant = gammaln((_DEGREES + k) / 2) - gammaln(_DEGREES / 2) - k / 2 * np.log(_DEGREES * np.pi)
    return np.asarray(constant - (_DEGREES + k) / 2 * np.log1p((t**2).sum(axis=-1) / _DEGREES))


def most_likely(
    panel: Panel, varying: NDArray[np.intp], population: Population, *, start: Array | None = None
) -> tuple[Array, Array]:
    """Return each respondent's most likely coefficients given their answers, and the curvature there.

    Returns
    -------
    modes, precision
        Shapes (n_people, n_varying) and (n_people, n_varying, n_varying).

    Raises
    ------
    DidNotConverge
        Numbers overflow: for a concave likelihood Newton's method with halved steps always arrives.
    """
    inverse = np.linalg.inv(population.covariance)
    at = np.tile(population.mean, (panel.n_people, 1)) if start is None else start.copy()
    within = np.ix_(varying, varying)

    def penalty(values: Array) -> Array:
        off = values - population.mean
        return np.asarray(0.5 * np.einsum("pk,kl,pl->p", off, inverse, off))

    for _ in range(100):
        values = parameters_of(panel, varying, at[:, None], population.common)
        log_likelihood, score, information = panel.derivatives(values)
        precision = information[:, 0][:, within[0], within[1]] + inverse
        slope = score[:, 0][:, varying] - (at - population.mean) @ inverse
        step = np.asarray(np.linalg.solve(precision, slope[..., None])[..., 0])
        gain = np.einsum("pk,pk->p", slope, step)
        # Newton's last step doubles the digits, so one can stop early.
        if gain.max() < 1e-6:
            return at, precision
        reached = log_likelihood[:, 0] - penalty(at)
        length = np.where(gain < 1e-10, 0.0, 1.0)
        for _ in range(40):
            new = at + length[:, None] * step
            trial = panel.log_likelihoods(parameters_of(panel, varying, new[:, None], population.common))[
                :, 0
            ]
            bad = trial - penalty(new) < reached + 1e-4 * length * gain - 1e-12 * np.abs(reached)
            if not bad.any():
                break
            length[bad] /= 2
        at = new
    raise DidNotConverge("a respondent's most likely coefficients were not found; numbers overflow")
