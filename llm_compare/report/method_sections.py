"""Where everything came from and how it was made: origins, overview, replies, methods. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from exchange.outcomes.report_text import number, signed
from llm_compare.report.blocks import Block, LongText, Points, Section, Table
from llm_compare.report.model_tables import Shown, joined, minus, sentence
from llm_compare.report.number_words import Reason, Record, counted, outcomes_in_words, percent, share, whole

_OUTCOMES = ("choice", "indecision", "refusal", "truncated", "unreadable", "error")
_REFERENCES = (
    "Intervals: Owen (2007), Annals of Applied Statistics 1; Cameron, Gelbach and Miller (2011), Journal of "
    "Business "
    "and Economic Statistics 29.",
    "Agreement beyond chance: Cohen (1960), Educational and Psychological Measurement 20; Scott (1955), "
    "Public Opinion "
    "Quarterly 19. Forecasts: Gneiting and Raftery (2007), Journal of the American Statistical Association 102. "
    "Divergence: Lin (1991), IEEE Transactions on Information Theory 37.",
    "Models of choices: Davidson (1970), Journal of the American Statistical Association 65; Davidson and Beaver "
    "(1977), Biometrics 33; McElfresh et al. (2021), Indecision modeling, AAAI 35. Circles: Kendall and "
    "Babington "
    "Smith (1940), Biometrika 31.",
)


def origins_section(shown: Shown) -> Section:
    """Return the section on what is real."""
    return Section(
        heading="What is real here",
        blocks=(
            Table(
                caption="Where the inputs came from",
                head=("Input", "Origin", "In words"),
                rows=tuple((o["what"], o["kind"], minus(o["words"])) for o in shown.record["origins"]),
                is_words=True,
            ),
        ),
    )


def summary_section(shown: Shown) -> Section:
    """Return what a reader in a hurry reads."""
    found = [
        Section(
            heading=model["measured"]["label"],
            blocks=(Points(sentences=tuple(sentence(s) for s in model["summary"])),),
        )
        for model in shown.models
    ]
    found += [
        Section(
            heading=w["label"], blocks=(f"No reply is a readable choice: {_came_to(w)}. Nothing to compare.",)
        )
        for w in shown.record["without_choice"]
    ]
    blocks: tuple[Block, ...] = (shown.missing,) if shown.missing else (_overview(shown),)
    return Section(heading="Summary", blocks=blocks, parts=tuple(found), is_summary=True)


def _overview(shown: Shown) -> Table:
    def indecision(a: Record, who: str) -> str:
        return Reason("not on offer") if a["indecision"] is None else share(a["indecision"][who])

    return Table(
        caption="Overview; in brackets 95 % intervals",
        head=(
            "Model",
            "Same answer as a random person",
            "Two people",
            "Percentile among people",
            "Indecision",
            "People’s indecision",
            "Same answer, sides exchanged",
            "Weighs most",
        ),
        rows=tuple(
            (
                m["label"],
                share(a["agreement"]["with_random_person"]["model"]),
                share(a["agreement"]["with_random_person"]["people"]),
                _place(a["percentile"]["percentile"]),
                indecision(a, "model"),
                indecision(a, "people"),
                share(a["consistency"]["model"]["sides_exchanged"]),
                _weighs_most(a["coefficients"]),
            )
            for m in shown.aligned
            for a in [m["alignment"]]
        ),
    )


def _place(percentile: Record) -> str:
    """Return the place among people; why there is none takes too many words for an overview and is said below."""
    return Reason("not known, see below") if percentile["value"] is None else share(percentile)


def _weighs_most(coefficients: Record) -> str:
    known = [a for a in coefficients["attributes"] if a["share"]["model"]["value"] is not None]
    if not known:
        return Reason(f"not known: {coefficients['reason'] or 'its answers do not depend on attributes'}")
    most = max(known, key=lambda a: float(a["share"]["model"]["value"]))
    return Reason(f"{most['label']}: {share(most['share']['model'])}")


def _came_to(model: Record) -> str:
    return outcomes_in_words(model["calls"]["outcomes"]["counts"])


def replies_section(shown: Shown) -> Section:
    """Return the section on what came of the calls."""
    calls = _calls(shown)
    return Section(
        heading="Replies",
        blocks=(
            "Only choices and indecisions are compared with people’s answers. Refused, truncated and unreadable "
            "replies and failed calls are counted, never guessed. Counts are of the variant compared with "
            "people.",
            Table(
                caption="What the calls came to",
                head=("Model", *_OUTCOMES, "All calls"),
                rows=tuple((label, *_counts(c["outcomes"])) for label, c in calls),
            ),
            Table(
                caption="Calls, failures and tokens, all variants together",
                head=(
                    "Model",
                    "Planned",
                    "Retried",
                    "Failed for good",
                    "Tokens in",
                    "Out",
                    "Of these reasoning",
                ),
                rows=tuple(
                    (
                        label,
                        whole(c["n_planned"]),
                        whole(c["retried"]),
                        Reason(
                            ", ".join(f"{whole(n)} {kind}" for kind, n in c["failures"].items()) or "none"
                        ),
                        *_tokens(c),
                    )
                    for label, c in calls
                ),
            ),
            *(
                Table(
                    caption=f"Calls to {label} about patients with a level: do refusals come with one?",
                    head=("Level", *_OUTCOMES, "All calls"),
                    rows=tuple(
                        (f"{_attribute(shown, lv['attribute'])}: {lv['value']}", *_counts(lv["outcomes"]))
                        for lv in c["by_level"]
                    ),
                    folded=f"By level of the patients: {label}",
                )
                for label, c in calls
                if c["by_level"]
            ),
        ),
    )


def _calls(shown: Shown) -> list[tuple[str, Record]]:
    found = [(m["measured"]["label"], m["measured"]["calls"]) for m in shown.models]
    return found + [(w["label"], w["calls"]) for w in shown.record["without_choice"]]


def _counts(outcomes: Record) -> tuple[str, ...]:
    n = outcomes["n"]
    counts = [outcomes["counts"].get(kind, 0) for kind in _OUTCOMES]
    return (*(f"{whole(k)} ({percent(k / n)})" if k else "0" for k in counts), whole(n))


def _tokens(calls: Record) -> tuple[str, ...]:
    if calls["scripted"]:
        return ("none", "none", "none")
    return (whole(calls["tokens_in"]), whole(calls["tokens_out"]), whole(calls["tokens_reasoning"]))


def _attribute(shown: Shown, name: str) -> str:
    return next((str(a["label"]) for a in shown.record["study"]["attributes"] if a["name"] == name), name)


def methods_section(shown: Shown, source: tuple[str, str] | None) -> Section:
    """Return how the numbers were made, so that somebody else can make them again.

    Parameters
    ----------
    source
        Name and SHA-256 of the file with the numbers; None if there is none.
    """
    record = shown.record
    return Section(
        heading="Methods",
        parts=(
            Section(heading="The models and how they were asked", blocks=tuple(_asked(shown))),
            Section(heading="Intervals and what people reach among themselves", blocks=(_explained(record),)),
            Section(heading="Weights used in the exchange", blocks=tuple(_weights(record))),
            Section(heading="Notes", blocks=(Points(sentences=_notes(shown)),)),
            Section(heading="References", blocks=(Points(sentences=_REFERENCES),)),
            Section(heading="Manifest", blocks=tuple(_manifest(record, source))),
        ),
    )


def _asked(shown: Shown) -> Iterator[Block]:
    calls = _calls(shown)
    yield Table(
        caption="Exact models, dates and costs",
        head=(
            "Model",
            "Asked for",
            "Answered by",
            "Fingerprints",
            "Server",
            "Asked (UTC)",
            "Repeats",
            "Cost",
        ),
        rows=tuple(
            (
                label,
                c["model"],
                joined(c["returned_models"], "a script" if c["scripted"] else "not said by the provider"),
                joined(c["fingerprints"], "none given"),
                joined(c["addresses"], "a script" if c["scripted"] else "the provider’s own"),
                _dates(c),
                whole(c["n_repeats"]),
                cost(c),
            )
            for label, c in calls
        ),
        is_words=True,
    )
    for label, c in calls:
        for prompt in c["prompts"]:
            yield LongText(
                summary=f"Prompt in full: {label}, variant {prompt['variant']}", text=prompt_text(prompt)
            )


def prompt_text(prompt: Record) -> str:
    """Return a prompt as it was sent, with its settings and factors."""
    messages = "\n\n".join(f"[{who}]\n{said}" for who, said in prompt["messages"])
    parameters = json.dumps(prompt["parameters"], ensure_ascii=False, sort_keys=True)
    factors = ", ".join(
        f"{name} {level or 'as the design says'}" for name, level in prompt["factors"].items()
    )
    return (
        f"{messages}\n\n[settings] {parameters}\n[template] {prompt['template']}\n[language] "
        f"{prompt['language']}\n"
        f"[factors] {factors}"
    )


def _dates(calls: Record) -> str:
    if not calls["first_asked"]:
        return "no date: a script" if calls["scripted"] else "not recorded"
    first, last = (calls[key][:16].replace("T", " ") for key in ("first_asked", "last_asked"))
    return first if first == last else f"{first} to {last}"


def cost(calls: Record) -> str:
    """Return what calls cost, unknown prices apart."""
    if calls["scripted"]:
        return "none (scripted)"
    unknown = f"unknown for {counted(calls['n_cost_unknown'], 'call')}" if calls["n_cost_unknown"] else ""
    if calls["cost_usd"] is None:
        return unknown or "not known"
    known = f"{number(calls['cost_usd'], 4)} US$"
    return f"{known}, {unknown}" if unknown else known


def _explained(record: Record) -> Points:
    methods = record["methods"]
    population = (
        "people and comparisons are drawn together with replacement, so the intervals are about other people and "
        "comparisons like these"
        if methods["population"] == "comparisons like these"
        else "people are drawn with replacement, and a model’s replies within each comparison; the intervals "
        "are about "
        "these comparisons and no others"
    )
    offered = "with" if record["people"]["indecision_offered"] else "without"
    respondents = record["people"]["n_respondents"]
    who = "an unknown number of people" if respondents is None else counted(respondents, "person")
    return Points(
        sentences=(
            f"People: {counted(record['people']['n_answers'], 'answer')} of "
            f"{who.replace('persons', 'people')} to "
            f"{counted(record['people']['n_comparisons'], 'comparison')}, {offered} indecision on offer; "
            f"{record['people']['source']}.",
            f"Intervals hold 95 %: the number ± Student’s t times its standard deviation over "
            f"{whole(methods['n_draws'])} draws (seed {methods['seed']}), in which {population}. Repeats of a "
            "model "
            "never count as independent people. Each interval stands for itself: of 20 differences that are "
            "truly 0, "
            "about one has an interval without 0.",
            f"Halves: people are split at random {counted(methods['n_splits'], 'time')}. One half against the "
            "other "
            "says what people reach among themselves; the model against the same halves is its fair "
            "counterpart. The "
            "range in brackets says how much the split matters, not how sure the number is.",
            "Where nothing differs between draws, up to 3 of n people or comparisons may still be exceptions "
            "(rule of "
            "three); the interval says so.",
            f"Replies were read by version {methods['parser']} of the rules in the code.",
        )
    )


def _weights(record: Record) -> Iterator[Block]:
    if not record["weights"]:
        yield "The answers tell no weights of all attributes, so no exchange can be run with them."
        return
    prior = record["methods"]["prior_answers"]
    yield (
        f"All were regularized alike by {number(prior, 1)} prior answers."
        if prior
        else "No weights were regularized."
    ) + " Log-strengths with 95 % intervals; a log-strength of 1 raises the odds of being chosen 2.7 times."
    yield Table(
        caption="Log-strength of each coefficient",
        head=("Coefficient", "Whose", "Log-strength", "Mean log-likelihood", "Answers"),
        rows=tuple(
            (name, w["label"], _estimate(numbers), number(w["mean_log_likelihood"], 3), whole(w["n_answers"]))
            for w in record["weights"]
            for name, numbers in w["coefficients"].items()
        ),
        folded="All coefficients of the weights",
    )


def _estimate(numbers: Sequence[float | None]) -> str:
    value, low, high = numbers
    if value is None:
        return Reason("not known")
    if low is None or high is None:
        return Reason(f"{signed(value, 2)} (no interval)")
    return f"{signed(value, 2)} ({signed(low, 2)} to {signed(high, 2)})"


def _notes(shown: Shown) -> tuple[str, ...]:
    found = list(shown.record["notes"])
    found += [
        f"{m['measured']['label']}: {note}"
        for m in shown.models
        for note in m["measured"]["notes"]
        if note not in found
    ]
    return tuple(sentence(note) for note in dict.fromkeys(found)) or ("There is nothing else to note.",)


def _manifest(record: Record, source: tuple[str, str] | None) -> Iterator[Block]:
    yield f"Study {record['study']['slug']}, design hash {record['study']['design_hash']}."
    if source is not None:
        yield f"The same numbers as data: {source[0]}, SHA-256 {source[1]}."
    yield LongText(
        summary="Inputs, settings and versions",
        text=json.dumps(record["manifest"], indent=1, ensure_ascii=False),
    )
