"""Simulated participants with known weights take the survey over HTTP, page by page, as people do.

They read the served pages and nothing else, so a rehearsal exercises the whole way: wording, forms, cookies and
storage. The weights are stated, so that whoever estimates from the answers can check what comes back.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from math import exp

import httpx
import numpy as np

from survey.answers import Choice
from survey.config import REHEARSAL_HEADER, REHEARSED_DESIGN_HEADER
from survey.design import (
    Attribute,
    CategoricalAttribute,
    Favours,
    Profile,
    StudyDesign,
    design_hash,
)
from survey.errors import SurveyError
from survey.served_page import Page, UnexpectedPage, read_page

# The first attribute of a design moves the log-odds by this much over its whole range, the k-th by a k-th of it: no
# two attributes count alike, so a mix-up of attributes shows.
TOP_EFFECT = 2.0
DEFAULT_INDECISION_LOG_WEIGHT = -0.5


class RehearsalFailed(SurveyError):
    """The survey could not be taken: it was not reachable or served what no participant could use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedRule:
    """How simulated participants choose.

    With d the difference of utilities (left minus right), the probabilities of left, right and indecision are
    proportional to exp(d/2), exp(-d/2) and exp(``indecision_log_weight``): Davidson (1970) for ties, which is the
    closeness-based (Min-δ) rule of McElfresh et al. (2021) with logistic noise.
    """

    coefficients: Mapping[str, float]
    """``age`` (per unit) or ``drinking=frequent`` (against the attribute's first level), as in the estimators."""
    indecision_log_weight: float = DEFAULT_INDECISION_LOG_WEIGHT

    def utility(self, profile: Profile) -> float:
        """Return the profile's utility, up to a constant."""
        total = 0.0
        for name, value in profile.values:
            if isinstance(value, str):
                total += self.coefficients.get(f"{name}={value}", 0.0)
            else:
                total += self.coefficients.get(name, 0.0) * value
        return total

    def choose(
        self, left: Profile, right: Profile, offered: tuple[Choice, ...], rng: np.random.Generator
    ) -> Choice:
        """Draw a choice among those offered."""
        d = self.utility(left) - self.utility(right)
        weights = {
            Choice.LEFT: exp(d / 2),
            Choice.RIGHT: exp(-d / 2),
            Choice.INDECISION: exp(self.indecision_log_weight),
        }
        # In a fixed order, so that the same draw means the same choice wherever the buttons stand.
        choices = [choice for choice in Choice if choice in offered]
        p = np.array([weights[choice] for choice in choices])
        return choices[int(rng.choice(len(choices), p=p / p.sum()))]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """What a rehearsal did."""

    participants: int
    """Simulated participants who finished."""
    answers: int
    choices: Mapping[Choice, int]
    rule: SimulatedRule
    seed: int
    wall_seconds: float
    stopped: bool
    """True if it was stopped before all had finished; every answer counted here is stored."""


def known_rule(design: StudyDesign) -> SimulatedRule:
    """Return the default rule: each attribute counts in its usual direction (``favoured``, ``favours``).

    The k-th attribute's best value has a utility of ``TOP_EFFECT`` / k above its worst. Numeric attributes are
    linear. Levels fall off evenly with their distance from the favoured one. Attributes without a stated direction
    do not count.
    """
    coefficients: dict[str, float] = {}
    for k, attribute in enumerate(design.attributes, start=1):
        coefficients |= _effects(attribute, TOP_EFFECT / k)
    return SimulatedRule(coefficients=coefficients)


def _effects(attribute: Attribute, effect: float) -> dict[str, float]:
    if not isinstance(attribute, CategoricalAttribute):
        slope = effect / (attribute.maximum - attribute.minimum)
        sign = {Favours.LOW: -1.0, Favours.HIGH: 1.0, None: 0.0}[attribute.favours]
        return {attribute.name: sign * slope}
    names = attribute.level_names
    if attribute.favoured is None:
        return {f"{attribute.name}={name}": 0.0 for name in names[1:]}
    best = names.index(attribute.favoured)
    farthest = max(best, len(names) - 1 - best)
    utilities = [-effect * abs(i - best) / farthest for i in range(len(names))]
    return {f"{attribute.name}={names[i]}": utilities[i] - utilities[0] for i in range(1, len(names))}


def rehearse(
    design: StudyDesign,
    url: str,
    *,
    rehearsal_token: str,
    participants: int,
    seed: int,
    rule: SimulatedRule | None = None,
    concurrent: int = 4,
    stop: threading.Event | None = None,
    progress: Callable[[int], None] = lambda answers: None,
) -> Rehearsal:
    """Let simulated participants take the study at ``url``.

    Arrivals and consents come in order, because they decide who is drawn what; then ``concurrent`` participants
    answer at a time. So the same seed gives the same choices on a study with the same earlier participants.

    Parameters
    ----------
    url
        Address of the service, e.g. ``http://127.0.0.1:8000``.
    rehearsal_token
        The service's own, from ``secrets_of``: it marks the participants as simulated.
    stop
        Set it to stop between two answers.
    progress
        Called with 1 after each stored answer, from several threads.

    Raises
    ------
    RehearsalFailed
        Naming the address and what was served.
    """
    rule = rule or known_rule(design)
    stop = stop or threading.Event()
    started = time.perf_counter()
    tls = ssl.create_default_context()
    digest = design_hash(design)
    streams = np.random.SeedSequence(seed).spawn(participants)

    def make_client() -> httpx.Client:
        return httpx.Client(
            base_url=url.rstrip("/"),
            headers={REHEARSAL_HEADER: rehearsal_token, REHEARSED_DESIGN_HEADER: digest},
            follow_redirects=True,
            timeout=60,
            verify=tls,
            trust_env=False,
        )

    people = [_SimulatedParticipant(design, rule, np.random.default_rng(s), make_client) for s in streams]
    finished = 0
    with ThreadPoolExecutor(max_workers=concurrent, thread_name_prefix="participant") as pool:
        running = []
        try:
            for person in people:
                if stop.is_set():
                    break
                person.arrive()
                running.append(pool.submit(person.answer_all, stop, progress))
            for done in as_completed(running):
                finished += done.result()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise RehearsalFailed(
                f"{url}: {error or type(error).__name__}; is the service running there?"
            ) from error
        except UnexpectedPage as error:
            raise RehearsalFailed(f"{url}: {error}") from error
        except KeyboardInterrupt:
            stop.set()  # The rest is told below: what was answered is stored.
        finally:
            stop_early = stop.is_set()
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            for person in people:
                person.leave()
    choices = {choice: sum(person.choices.count(choice) for person in people) for choice in Choice}
    return Rehearsal(
        participants=sum(person.completion_code != "" for person in people),
        answers=sum(choices.values()),
        choices=choices,
        rule=rule,
        seed=seed,
        wall_seconds=time.perf_counter() - started,
        stopped=stop_early,
    )


class _SimulatedParticipant:
    """One simulated participant with a browser session of its own."""

    def __init__(
        self,
        design: StudyDesign,
        rule: SimulatedRule,
        rng: np.random.Generator,
        make_client: Callable[[], httpx.Client],
    ) -> None:
        self.choices: list[Choice] = []
        self.completion_code = ""
        self._design = design
        self._rule = rule
        self._rng = rng
        self._make_client = make_client
        self._client: httpx.Client | None = None
        self._page = Page()

    def arrive(self) -> None:
        """Open the study, press Start, agree, read the instructions."""
        self._client = self._make_client()
        landing = self._client.get(f"/s/{self._design.slug}")
        if landing.status_code == httpx.codes.NOT_FOUND:
            raise UnexpectedPage(
                f"there is no study '{self._design.slug}' with exactly this design (version "
                f"{self._design.version}); add it to that service first"
            )
        self._page = self._read(landing)
        if not self._page.shows_form("/start"):
            raise UnexpectedPage(
                f"study '{self._design.slug}' version {self._design.version} is closed and takes no participants; "
                "open it, or rehearse a new version"
            )
        self._send("/start")
        self._send("/consent", "agree")

    def answer_all(self, stop: threading.Event, progress: Callable[[int], None]) -> bool:
        """Answer comparison after comparison; return True when the last page is reached."""
        if stop.is_set():
            return False
        self._send("/begin")
        while self._page.shows_form("/answer"):
            if stop.is_set():
                return False
            left, right = self._page.compared(self._design)
            choice = self._rule.choose(left, right, self._page.offered(), self._rng)
            self._send("/answer", choice.value)
            self.choices.append(choice)
            progress(1)
        if "completion-code" not in self._page.outputs:
            raise UnexpectedPage(f"the survey ended without a completion code: {self._page.heading}")
        self.completion_code = self._page.outputs["completion-code"]
        return True

    def leave(self) -> None:
        """Close the connection."""
        if self._client is not None:
            self._client.close()

    def _send(self, ending: str, button: str | None = None) -> None:
        form = self._page.form(ending)
        assert self._client is not None  # noqa: S101 - arrive() comes first
        self._page = self._read(self._client.post(form.action, data=form.sent_with(button)))

    @staticmethod
    def _read(response: httpx.Response) -> Page:
        page = read_page(response.text)
        if response.is_error:
            raise UnexpectedPage(f"{response.status_code} at {response.request.method}: {page.heading}")
        return page
