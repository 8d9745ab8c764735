"""The likelihood of a population's distribution of coefficients: each respondent's, averaged over draws."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from estimation.heterogeneity.panel import Panel

Array = NDArray[np.float64]

# A climb on fixed draws has arrived when a Newton step would gain less than this many log-likelihood units.
GAIN_TOLERANCE = 1e-8
_MOST_EM_STEPS = 30
_EM_TOLERANCE = 1e-4
# Least standard deviation along any axis, in log-odds: keeps densities finite where respondents are all alike.
_LEAST_SPREAD = 1e-3
# Along an axis with a standard deviation below this many log-odds respondents do not differ measurably: the
# variance is at the edge of what is possible, where it has no symmetric interval.
_NARROW = 0.05
# A part of the covariance is flat if the answers hold less of its information than this over the effective draws.
_LEAST_KNOWN = 5.0
# An EM climb on fixed draws ends when this share of the effective draws is lost: they no longer cover the
# population.
_COVERED = 0.5
# Numbers held at once.
_MOST_AT_ONCE = 20_000_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Population:
    """A normal distribution of the coefficients that vary, and those that do not."""

    mean: Array
    """Shape (n_varying,)."""
    covariance: Array
    """Shape (n_varying, n_varying)."""
    common: Array
    """Shape (n_common,)."""

    @property
    def is_narrow(self) -> bool:
        """Whether some combination of the coefficients hardly varies."""
        return bool(np.linalg.eigvalsh(self.covariance).min() < _NARROW**2)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frozen:
    """Fixed draws for every respondent, on which the marginal likelihood is a smooth function of the population.

    All of the population's parameters together are, in this order: the mean, the lower triangle of the
    covariance row by row, the common parameters.
    """

    panel: Panel
    varying: NDArray[np.intp]
    """Numbers of the varying parameters."""
    population: Population
    draws: Array
    """Coefficients, shape (n_people, n_draws, n_varying). Draw r + n_draws / 2 mirrors draw r."""
    answers: Array
    """Log-likelihood of each respondent's answers at their draws, shape (n_people, n_draws)."""
    drawn_from: Array
    """Log-density that the draws came from, shape (n_people, n_draws)."""

    @property
    def n_draws(self) -> int:
        """Per respondent."""
        return int(self.draws.shape[1])

    # --- what the draws say about the population --------------------------------------------------------

    def log_weights(self) -> Array:
        """Return each draw's log-weight in its respondent's marginal likelihood, shape (n_people, n_draws)."""
        root = np.linalg.cholesky(self.population.covariance)
        k = len(root)
        off = (self.draws - self.population.mean).reshape(-1, k)
        standard = linalg.solve_triangular(root, off.T, lower=True, check_finite=False)
        log_density = (
            -0.5 * (standard**2).sum(axis=0) - np.log(np.diag(root)).sum() - 0.5 * k * np.log(2 * np.pi)
        )
        return np.asarray(self.answers + log_density.reshape(self.answers.shape) - self.drawn_from)

    def log_likelihoods(self) -> Array:
        """Return each respondent's marginal log-likelihood, shape (n_people,)."""
        return np.asarray(_log_totals(self.log_weights()) - np.log(self.n_draws))

    def log_likelihood(self) -> float:
        """Return the marginal log-likelihood of all answers."""
        return float(self.log_likelihoods().sum())

    def shares(self) -> Array:
        """Return how much each draw counts for its respondent, shape (n_people, n_draws), rows summing to 1."""
        log_weights = self.log_weights()
        return np.asarray(np.exp(log_weights - _log_totals(log_weights)[:, None]))

    def effective_draws(self) -> Array:
        """Return as how many equal draws the weighted ones count, shape (n_people,)."""
        return np.asarray(1 / (self.shares() ** 2).sum(axis=1))

    def monte_carlo_error(self) -> float:
        """Return the standard error of the log-likelihood that comes from averaging over draws."""
        shares = self.shares()
        n = self.n_draws // 2
        pairs = (shares[:, :n] + shares[:, n:]) * n
        return float(np.sqrt((pairs.var(axis=1, ddof=1) / n).sum()))

    def respondents(self) -> tuple[Array, Array]:
        """Return the mean and covariance of each respondent's coefficients given their answers."""
        shares = self.shares()
        mean = np.einsum("pr,prk->pk", shares, self.draws)
        off = self.draws - mean[:, None]
        return mean, np.einsum("pr,prk,prl->pkl", shares, off, off, optimize=True)

    # --- climbing -----------------------------------------------------------------------------------------

    def climbed(self) -> Frozen:
        """Raise the likelihood by EM steps in mean and covariance, as far as the draws cover."""
        here = self
        # Off the starting mean, so that squares do not drown the variance.
        origin = self.population.mean
        off = (self.draws - origin).reshape(-1, len(origin))
        log_weights = here.log_weights()
        reached = _log_totals(log_weights)
        enough = _COVERED * _effective(log_weights, reached)
        for _ in range(_MOST_EM_STEPS):
            weighted = off * np.exp(log_weights - reached[:, None]).reshape(-1, 1)
            center = weighted.sum(axis=0) / len(reached)
            covariance = _held(weighted.T @ off / len(reached) - np.outer(center, center))
            here = replace(
                here, population=replace(here.population, mean=origin + center, covariance=covariance)
            )
            log_weights = here.log_weights()
            totals = _log_totals(log_weights)
            gain = float((totals - reached).sum())
            reached = totals
            if gain < _EM_TOLERANCE or _effective(log_weights, totals) < enough:
                break
        return here

    def stepped(self, curvature: Curvature, free: NDArray[np.bool_]) -> Frozen:
        """Return where a Newton step leads, halved until the likelihood rises; here if it gains next to nothing."""
        step, gain = curvature.step(free)
        reached = self.log_likelihood()
        length = 1.0
        while gain > GAIN_TOLERANCE and length > 1e-6:
            population = self._moved(length * step)
            if population is not None:
                there = self.at(population)
                # Near the maximum rounding makes the comparison meaningless, and the full step is right.
                if there.log_likelihood() >= reached + 1e-4 * length * gain or gain < 1e-6:
                    return there
            length /= 2
        return self

    def at(self, population: Population) -> Frozen:
        """Return the same draws under another population."""
        if np.array_equal(population.common, self.population.common):
            return replace(self, population=population)
        answers = self.panel.log_likelihoods(
            parameters_of(self.panel, self.varying, self.draws, population.common)
        )
        return replace(self, population=population, answers=answers)

    def _moved(self, step: Array) -> Population | None:
        k, g = len(self.varying), len(self.population.common)
        row, column = np.tril_indices(k)
        covariance = self.population.covariance.copy()
        covariance[row, column] += step[k : len(step) - g]
        covariance[column, row] = covariance[row, column]
        if np.linalg.eigvalsh(covariance).min() < _LEAST_SPREAD**2:
            return None
        return Population(
            mean=self.population.mean + step[:k],
            covariance=covariance,
            common=self.population.common + step[len(step) - g :],
        )

    # --- curvature ------------------------------------------------------------------------------------------

    def curvature(self) -> Curvature:
        """Return scores and information of all of the population's parameters.

        The information is what the coefficients would tell if they were known, less what their uncertainty
        takes away (Louis 1982, J. Roy. Statist. Soc. B 44).
        """
        k, g = len(self.varying), len(self.population.common)
        n_people, n_draws, _ = self.draws.shape
        row, column = np.tril_indices(k)
        v = len(row)
        n_all = k + v + g
        shares = self.shares()
        inverse = np.linalg.inv(self.population.covariance)
        by_common, known_common = self._common_curvature(shares)
        twice = np.where(row == column, 0.5, 1.0)
        score = np.empty((n_people, n_all))
        lost = np.zeros((n_all, n_all))
        square = np.zeros((k, k))
        size = max(1, _MOST_AT_ONCE // (n_draws * n_all))
        for some in (slice(i, i + size) for i in range(0, n_people, size)):
            pulled = (self.draws[some] - self.population.mean) @ inverse
            products = twice * (pulled[..., row] * pulled[..., column] - inverse[row, column])
            own = np.concatenate([pulled, products, by_common[some]], axis=2)
            weighted = own * shares[some, :, None]
            score[some] = weighted.sum(axis=1)
            lost += own.reshape(-1, n_all).T @ weighted.reshape(-1, n_all) - score[some].T @ score[some]
            square += pulled.reshape(-1, k).T @ (pulled * shares[some, :, None]).reshape(-1, k)
        # Each entry of the lower triangle stands for two of the covariance unless it is on the diagonal.
        spread = np.zeros((k * k, v))
        spread[row * k + column, np.arange(v)] = 1.0
        spread[column * k + row, np.arange(v)] = 1.0
        known = np.zeros((n_all, n_all))
        known[:k, :k] = n_people * inverse
        known[:k, k : k + v] = np.kron(score[:, :k].sum(axis=0)[None], inverse) @ spread
        known[k : k + v, :k] = known[:k, k : k + v].T
        curved = np.kron(inverse, square) + np.kron(square, inverse) - n_people * np.kron(inverse, inverse)
        known[k : k + v, k : k + v] = spread.T @ (0.5 * curved) @ spread
        known[k + v :, k + v :] = known_common
        return Curvature(
            score=score,
            information=known - lost,
            known=known,
            n_varying=k,
            effective_draws=float(self.effective_draws().mean()),
            is_narrow=self.population.is_narrow,
        )

    def _common_curvature(self, shares: Array) -> tuple[Array, Array]:
        """Return each draw's score by the common parameters, and their information if coefficients were known."""
        common = np.delete(np.arange(self.panel.n_parameters), self.varying)
        g = len(common)
        score = np.empty((*self.draws.shape[:2], g))
        total = np.zeros((g, g))
        if g:
            values = parameters_of(self.panel, self.varying, self.draws, self.population.common)
            _, score, information = self.panel.derivatives(values, common)
            total = np.einsum("pr,prab->ab", shares, information)
        return score, total


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Curvature:
    """Slope and bend of the marginal likelihood in all of the population's parameters."""

    score: Array
    """Each respondent's, shape (n_people, n_all)."""
    information: Array
    """Minus the second derivative, shape (n_all, n_all)."""
    known: Array
    """What the information would be if respondents' coefficients were known, shape (n_all, n_all)."""
    n_varying: int
    effective_draws: float
    """As how many equal draws those of a respondent count, on average."""
    is_narrow: bool
    """Whether some combination of the coefficients hardly varies."""

    @property
    def is_flat(self) -> bool:
        """Whether the answers, or so few draws, say next to nothing about some part of the covariance.

        The information is then a small difference of large numbers, and the draws' error drowns it.
        """
        if self.is_narrow:
            return True
        share = linalg.eigh(self.information, self.known, eigvals_only=True, subset_by_index=(0, 0))
        return bool(share[0] < _LEAST_KNOWN / self.effective_draws)

    @property
    def is_common(self) -> NDArray[np.bool_]:
        """Which parameters are those that all respondents share."""
        k = self.n_varying
        return np.arange(len(self.known)) >= k + k * (k + 1) // 2

    @property
    def is_free(self) -> NDArray[np.bool_]:
        """Which parameters the answers determine: not the covariance if it is flat."""
        is_spread = (np.arange(len(self.known)) >= self.n_varying) & ~self.is_common
        return ~is_spread | (not self.is_flat)

    def step(self, free: NDArray[np.bool_]) -> tuple[Array, float]:
        """Return the Newton step of the free parameters, and twice the log-likelihood units that it should gain."""
        total = self.score.sum(axis=0)
        bends, axes = np.linalg.eigh(self.information[np.ix_(free, free)])
        # Where the likelihood bends upward Newton's step would go down; turned around, it goes up.
        size = np.maximum(np.abs(bends), 1e-8 * max(1.0, float(np.abs(bends).max(initial=0.0))))
        step = np.zeros(len(total))
        step[free] = axes @ ((axes.T @ total[free]) / size)
        return step, float(total @ step)

    def robust_covariance(self, free: NDArray[np.bool_]) -> Array:
        """Return the sandwich covariance over P respondents, times P / (P - 1); 0 for parameters not free."""
        score = self.score[:, free] - self.score[:, free].mean(axis=0)
        n = len(score)
        inverse = np.linalg.inv(self.information[np.ix_(free, free)])
        covariance = np.zeros_like(self.information)
        covariance[np.ix_(free, free)] = n / (n - 1) * inverse @ (score.T @ score) @ inverse
        return covariance


def parameters_of(panel: Panel, varying: NDArray[np.intp], drawn: Array, common: Array) -> Array:
    """Return full parameters, shape (n_people, n_draws, n_parameters)."""
    values = np.empty((*drawn.shape[:2], panel.n_parameters))
    values[..., varying] = drawn
    values[..., np.delete(np.arange(panel.n_parameters), varying)] = common
    return values


def _held(covariance: Array) -> Array:
    """Return the covariance with no axis narrower than the least spread."""
    variances, axes = np.linalg.eigh(covariance)
    return np.asarray((axes * np.maximum(variances, _LEAST_SPREAD**2)) @ axes.T)


def _log_totals(log_weights: Array) -> Array:
    """Return the logarithm of each row's total; scipy's own takes longer than all the rest of an EM step."""
    top = log_weights.max(axis=1)
    return np.asarray(top + np.log(np.exp(log_weights - top[:, None]).sum(axis=1)))


def _effective(log_weights: Array, totals: Array) -> float:
    """Return as how many equal draws the weighted ones count, averaged over respondents."""
    return float(np.mean(1 / (np.exp(log_weights - totals[:, None]) ** 2).sum(axis=1)))
