"""Read and write ``weights.json``: weights with the fit they came from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from estimation.attribute_model import attribute_terms
from estimation.errors import BadWeights
from estimation.results import Fit
from estimation.weights import AttributeWeights, Estimate, PriorityWeights, ProfileWeights
from survey.design import make_profile
from survey.design_file import attribute_records, attributes_from_records
from survey.errors import EquipoiseError

FORMAT = "equipoise-weights"
FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsFile:
    """The weights of a file, and what the file says of their origin."""

    weights: PriorityWeights
    model: str
    design_hashes: tuple[str, ...]
    source: str
    """The file's path."""


def write_weights(
    path: Path, fit: Fit, *, design_hashes: tuple[str, ...], manifest: Mapping[str, object]
) -> None:
    """Write a fit. The same fit gives the same bytes."""
    document = fit_record(fit)
    document = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        **document,
        "design_hashes": list(design_hashes),
        "manifest": dict(manifest),
    }
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def fit_record(fit: Fit) -> dict[str, object]:
    """Return a fit as plain data, for files and ``--json``."""
    weights = fit.weights
    record: dict[str, object] = {
        "model": fit.model.value,
        "attributes": attribute_records(weights.attributes),
    }
    if isinstance(weights, ProfileWeights):
        record["profiles"] = [
            {
                "profile": profile.id,
                "values": profile.as_dict(),
                "log_strength": _estimate_record(estimate),
                "weight": weights.weight(profile),
            }
            for profile, estimate in zip(weights.profiles, weights.log_strengths, strict=True)
        ]
    else:
        record["coefficients"] = {
            name: _estimate_record(estimate) for name, estimate in weights.coefficients.items()
        }
    if fit.indecision:
        record["indecision"] = _estimate_record(fit.indecision)
    record["covariance"] = {"of": list(fit.names), "rows": fit.covariance.tolist()}
    record["fit"] = {
        "log_likelihood": fit.log_likelihood,
        "mean_log_likelihood": fit.mean_log_likelihood,
        "n_answers": fit.n_answers,
        "n_indecisions": fit.n_indecisions,
        "clustering": fit.clustering.value,
        "n_clusters": fit.n_clusters,
        "intervals": fit.interval_method,
        "prior_answers": fit.prior_answers,
        "iterations": fit.iterations,
        "residual": fit.residual,
        "newton_difference": fit.newton_difference,
        "notes": list(fit.notes),
    }
    return record


def read_weights(path: Path) -> WeightsFile:
    """Read ``weights.json``.

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
    if document.get("format_version") != FORMAT_VERSION:
        raise BadWeights(
            f"{path}: has format_version {document.get('format_version')!r}; this program reads {FORMAT_VERSION}"
        )
    try:
        return WeightsFile(
            weights=_weights(document),
            model=str(document["model"]),
            design_hashes=tuple(document["design_hashes"]),
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
    return AttributeWeights(
        attributes=attributes,
        coefficients={term: _estimate(given[term]) for term in attribute_terms(attributes)},
    )


def _estimate_record(estimate: Estimate) -> dict[str, float | None]:
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high}


def _estimate(record: Mapping[str, Any]) -> Estimate:
    return Estimate(value=float(record["value"]), low=record["low"], high=record["high"])
