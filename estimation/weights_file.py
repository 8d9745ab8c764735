"""Read and write ``weights.json``: weights with the fit they came from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from estimation.effects import EffectKind
from estimation.errors import BadWeights
from estimation.results import Fit
from estimation.specification import Specification
from estimation.weights import (
    AttributeWeights,
    Estimate,
    PriorityWeights,
    ProfileWeights,
    profile_weights,
    redrawn,
)
from survey.design import make_profile
from survey.design_file import attribute_records, attributes_from_records
from survey.errors import EquipoiseError

FORMAT = "equipoise-weights"
FORMAT_VERSION = 2
_READABLE = (1, 2)
# Weights of so many profiles get intervals of their own in the file; more would take longer than the fit.
_MOST_WEIGHT_INTERVALS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsFile:
    """The weights of a file, and what the file says of their origin."""

    weights: PriorityWeights
    model: str
    design_hashes: tuple[str, ...]
    draws: tuple[tuple[float, ...], ...]
    """Joint draws of the log-strengths or coefficients; empty in files that keep none."""
    source: str
    """The file's path."""

    def drawn_weights(self) -> tuple[PriorityWeights, ...]:
        """Return the weights of every joint draw: what else they could have been, given the answers."""
        return tuple(redrawn(self.weights, draw) for draw in self.draws)


def write_weights(
    path: Path,
    fit: Fit,
    *,
    design_hashes: tuple[str, ...],
    manifest: Mapping[str, object],
    extra: Mapping[str, object] | None = None,
) -> None:
    """Write a fit. The same fit gives the same bytes.

    Parameters
    ----------
    extra
        Further parts of the file, e.g. the conventions for indecision side by side.
    """
    text = weights_text(fit, design_hashes=design_hashes, manifest=manifest, extra=extra)
    path.write_text(text, encoding="utf-8")


def weights_text(
    fit: Fit,
    *,
    design_hashes: tuple[str, ...],
    manifest: Mapping[str, object],
    extra: Mapping[str, object] | None = None,
) -> str:
    """Return what :func:`write_weights` writes."""
    document = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        **fit_record(fit),
        **(extra or {}),
        "design_hashes": list(design_hashes),
        "manifest": dict(manifest),
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def fit_record(fit: Fit) -> dict[str, object]:
    """Return a fit as plain data, for files and ``--json``."""
    weights = fit.weights
    record: dict[str, object] = {
        "model": fit.model.value,
        "specification": specification_record(fit.specification),
        "outcome": fit.gate.outcome.value,
        "attributes": attribute_records(weights.attributes),
    }
    if isinstance(weights, ProfileWeights):
        with_intervals = len(weights.profiles) <= _MOST_WEIGHT_INTERVALS
        shares = profile_weights(weights, weights.profiles, fit.draws if with_intervals else ())
        quasi = [None] * len(shares) if fit.quasi_variances is None else fit.quasi_variances.tolist()
        record["profiles"] = [
            {
                "profile": profile.id,
                "values": profile.as_dict(),
                "log_strength": estimate_record(estimate),
                "quasi_variance": q,
                "weight": weight.value,
                "weight_low": weight.low,
                "weight_high": weight.high,
            }
            for profile, estimate, weight, q in zip(
                weights.profiles, weights.log_strengths, shares, quasi, strict=True
            )
        ]
    else:
        record["coefficients"] = {
            name: estimate_record(estimate) for name, estimate in weights.coefficients.items()
        }
    if fit.indecision:
        record["indecision"] = estimate_record(fit.indecision)
    if fit.others:
        record["other_parameters"] = {name: estimate_record(e) for name, e in fit.others.items()}
    if fit.covariance is not None:
        record["covariance"] = {"of": list(fit.names), "rows": fit.covariance.tolist()}
    record["draws"] = {"of": list(fit.names), "from": fit.draws_from, "rows": fit.draws.tolist()}
    record["gate"] = _gate_record(fit)
    record["fit"] = {
        "log_likelihood": fit.log_likelihood,
        "mean_log_likelihood": fit.mean_log_likelihood,
        "n_parameters": fit.n_parameters,
        "aic": fit.aic,
        "bic": fit.bic,
        "n_answers": fit.n_answers,
        "n_indecisions": fit.n_indecisions,
        "clustering": fit.clustering.value,
        "n_clusters": fit.n_clusters,
        "intervals": fit.interval_method,
        "prior_answers": fit.prior_answers,
        **_checks_record(fit),
        "notes": list(fit.notes),
    }
    return record


def specification_record(spec: Specification) -> dict[str, object]:
    """Return everything that was chosen about a model, as plain data."""
    shape = spec.shape
    return {
        "model": spec.model.value,
        "effects": spec.effect_kind.value,
        "interactions": [list(pair) for pair in shape.interactions],
        "stepped": {name: list(at) for name, at in (shape.stepped or {}).items()},
        "monotone": list(shape.monotone),
        "half_wins": spec.half_wins,
        "order_effect": spec.order_effect,
        "order_by_group": spec.order_by_group,
        "pull_by_distance": spec.by_distance,
        "pull_by_group": spec.pull_by_group,
        "effects_by_group": spec.effects_by_group,
        "forced": spec.forced,
        "components": [m.value for m in spec.components],
        "starts": spec.n_starts,
        "regularize": spec.regularize.value,
        "prior_answers": spec.prior_answers,
        "seed": spec.seed,
    }


def _gate_record(fit: Fit) -> dict[str, object]:
    graph = fit.gate.graph
    # An attribute model needs no connected profiles; most profiles of a random design never won or never lost.
    of_profiles = fit.specification.effect_kind is EffectKind.PROFILES
    return {
        "outcome": fit.gate.outcome.value,
        "reason": fit.gate.reason,
        "islands": len(graph.islands),
        "never_lost": list(graph.never_lost) if of_profiles else len(graph.never_lost),
        "never_won": list(graph.never_won) if of_profiles else len(graph.never_won),
        "pairs_asked": graph.n_pairs_asked,
        "pairs_never_asked": graph.n_pairs_never_asked,
        "first_pairs_never_asked": [list(pair) for pair in graph.pairs_never_asked],
    }


def _checks_record(fit: Fit) -> dict[str, object]:
    checks = fit.checks
    optima = checks.optima
    return {
        "iterations": checks.iterations,
        "residual": checks.residual,
        "rank": checks.rank,
        "parameters_with_regularization": checks.n_parameters,
        "newton_difference": checks.newton_difference,
        "at_bound": list(checks.at_bound),
        "optima": optima
        and {
            "starts": optima.n_starts,
            "at_best": optima.n_best,
            "log_likelihoods": list(optima.log_likelihoods),
        },
    }


def read_weights(path: Path) -> WeightsFile:
    """Read ``weights.json``, of this format version or the one before.

    Raises
    ------
    BadWeights
        Not a weights file, or one that is incomplete; the message names file and place.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadWeights(f"{path}: {error.strerror}; name an existing weights file") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise BadWeights(f"{path}: is not JSON ({error})") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise BadWeights(
            f"{path}: is not a weights file; make one with 'equipoise estimate fit answers.csv --out …'"
        )
    if document.get("format_version") not in _READABLE:
        raise BadWeights(
            f"{path}: has format_version {document.get('format_version')!r}; this program reads "
            f"{' and '.join(map(str, _READABLE))}"
        )
    try:
        weights = _weights(document)
        return WeightsFile(
            weights=weights,
            model=str(document["model"]),
            design_hashes=tuple(document["design_hashes"]),
            draws=_draws(document.get("draws"), weights),
            source=str(path),
        )
    except EquipoiseError as error:
        raise BadWeights(f"{path}: {error}") from None
    except KeyError as error:
        raise BadWeights(f"{path}: has no {error.args[0]!r}") from None
    except (TypeError, ValueError, AttributeError) as error:
        raise BadWeights(f"{path}: is damaged ({error})") from None


def _weights(document: Mapping[str, Any]) -> PriorityWeights:
    attributes = attributes_from_records(document["attributes"])
    if "profiles" in document:
        rows = document["profiles"]
        return ProfileWeights(
            attributes=attributes,
            profiles=tuple(
                make_profile(attributes, r["values"], name=r["profile"] if "=" not in r["profile"] else "")
                for r in rows
            ),
            log_strengths=tuple(_estimate(r["log_strength"]) for r in rows),
        )
    given = document["coefficients"]
    for name in document.get("draws", {}).get("of", ()):
        if name not in given and name not in document.get("other_parameters", {}):
            raise KeyError(name)
    return AttributeWeights.named(attributes, {name: _estimate(r) for name, r in given.items()})


def _draws(record: Mapping[str, Any] | None, weights: PriorityWeights) -> tuple[tuple[float, ...], ...]:
    if record is None:
        return ()
    n = len(weights.profiles if isinstance(weights, ProfileWeights) else weights.terms)
    rows = tuple(tuple(float(v) for v in row[:n]) for row in record["rows"])
    if any(len(row) != n for row in rows):
        raise BadWeights(f"a draw does not have {n} numbers")
    return rows


def estimate_record(estimate: Estimate) -> dict[str, float | None]:
    """Return an estimate with its interval as plain data."""
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high}


def _estimate(record: Mapping[str, Any]) -> Estimate:
    return Estimate(value=float(record["value"]), low=record["low"], high=record["high"])
