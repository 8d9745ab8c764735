"""Simulated participants with known weights take the survey over HTTP, page by page, as people do.

They act on what the served pages show, so a rehearsal exercises the whole way: wording, forms, cookies and storage.
The design tells them only what the words on a page mean.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
import numpy as np

from survey.acceptability import Rating
from survey.answers import Choice
from survey.coding.synthetic import Population, synthetic_population
from survey.coding.synthetic_voices import Voices
from survey.config import REHEARSAL_HEADER, REHEARSED_DESIGN_HEADER
from survey.design import StudyDesign, design_hash
from survey.errors import SurveyError
from survey.languages import worded
from survey.pairing import presentation_count
from survey.questionnaire import FormQuestion
from survey.served_page import Page, Sent, UnexpectedPage, read_page
from survey.simulated import Conduct, SimulatedRule, known_rule
from survey.suggestions import Entry, Stance

FINISHED = "finished"
"""Name of the page of those who have gone the whole way."""
_CODE = "completion-code"
_RATING, _PLACE = "rating-", "place-"
"""Before an attribute's name in the name of a field."""


class RehearsalFailed(SurveyError):
    """The survey could not be taken: it was not reachable or served what no participant could use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """What a rehearsal did."""

    participants: int
    """Simulated participants who finished."""
    endings: Mapping[str, int]
    """How taking part ended, as the pages are named (``finished``, ``quota_full``), and how many ended so."""
    answers: int
    """Stored answers, the practice left out."""
    choices: Mapping[Choice, int]
    suggestions: int
    """Stored and not taken back."""
    ratings: int
    rule: SimulatedRule
    conduct: Conduct
    population: Population
    """Whom they speak for where a study asks which attributes should count."""
    seed: int
    wall_seconds: float
    stopped: bool
    """True if it was stopped before all had ended; every answer counted here is stored."""


def rehearse(
    design: StudyDesign,
    url: str,
    *,
    rehearsal_token: str,
    participants: int,
    seed: int,
    rule: SimulatedRule | None = None,
    conduct: Conduct | None = None,
    population: Population | None = None,
    language: str | None = None,
    ids: str | None = None,
    concurrent: int = 4,
    stop: threading.Event | None = None,
    progress: Callable[[int], None] = lambda answers: None,
) -> Rehearsal:
    """Let simulated participants take the study at ``url``.

    Arrivals, consents and screeners come in order, because they decide who is drawn what; then ``concurrent``
    participants answer at a time. So the same seed gives the same choices on a study with the same earlier
    participants. Of an adaptive study, whose comparisons follow from the answers of others, that holds with
    ``concurrent=1`` only.

    Parameters
    ----------
    url
        Address of the service, e.g. ``http://127.0.0.1:8000``.
    population
        What they say should count; by default that of ``synthetic_population``.
    rehearsal_token
        The service's own, from ``secrets_of``: it marks the participants as simulated.
    language
        One of the design's; its own by default.
    ids
        They come with recruitment ids ``<ids>-1``, ``<ids>-2`` …, as from a platform. Who comes again with the same
        ids is the same participant, and takes the study's next wave. By default they come without.
    stop
        Set it to stop between two answers.
    progress
        Called with 1 after each stored answer and each page about attributes, from several threads.

    Raises
    ------
    RehearsalFailed
        Naming the address and what was served.
    """
    rule, conduct = rule or known_rule(design), conduct or Conduct()
    population = population or synthetic_population()
    voices = Voices(population)
    stop = stop or threading.Event()
    started = time.perf_counter()
    tls = ssl.create_default_context()
    digest = design_hash(design)
    script = worded(design, arm=design.arms[0].name, language=language or design.language)
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

    people = [
        _SimulatedParticipant(
            script, rule, conduct, voices, stream, make_client, id_=ids and f"{ids}-{number}"
        )
        for number, stream in enumerate(streams, start=1)
    ]
    with ThreadPoolExecutor(max_workers=concurrent, thread_name_prefix="participant") as pool:
        running = []
        try:
            for person in people:
                if stop.is_set():
                    break
                person.arrive()
                running.append(pool.submit(person.go_on, stop, progress))
            for done in as_completed(running):
                done.result()
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
    choices = {choice: sum(person.choices.count(choice) for person in people) for choice in Choice}
    endings = Counter(person.ending for person in people if person.ending)
    return Rehearsal(
        participants=endings[FINISHED],
        endings=dict(sorted(endings.items())),
        answers=sum(choices.values()),
        choices=choices,
        suggestions=sum(person.suggestions for person in people),
        ratings=sum(len(person.ratings) for person in people),
        rule=rule,
        conduct=conduct,
        population=population,
        seed=seed,
        wall_seconds=time.perf_counter() - started,
        stopped=stop_early,
    )


def answer_count(design: StudyDesign, *, returning: bool = False) -> int:
    """Return how many times a participant who goes the whole way makes progress in one wave."""
    pages = len(design.suggestions.questions) if design.suggestions and not returning else 0
    if design.acceptability:
        pages += 2 if design.acceptability.ranked else 1
    return pages + presentation_count(design)


class _SimulatedParticipant:
    """One simulated participant with a browser session of its own."""

    def __init__(
        self,
        design: StudyDesign,
        rule: SimulatedRule,
        conduct: Conduct,
        voices: Voices,
        stream: np.random.SeedSequence,
        make_client: Callable[[], httpx.Client],
        *,
        id_: str | None,
    ) -> None:
        self.choices: list[Choice] = []
        self.suggestions = 0
        self.ratings: Mapping[str, Rating] = {}
        """Those that are stored."""
        self.ending = ""
        """Name of the last page, once it is reached."""
        self._design = design
        self._rule = rule
        self._conduct = conduct
        self._rng = np.random.default_rng(stream)
        # A stream of its own, so that choices between patients do not depend on which steps a design has.
        self._other_rng = np.random.default_rng(stream.spawn(1)[0])
        # One for each thing that is asked about attributes: in which order that is asked is drawn by the service.
        self._voices = voices
        *own, opinions = (np.random.default_rng(child) for child in stream.spawn(len(Stance) + 1))
        self._rng_of = dict(zip(Stance, own, strict=True))
        self._opinions_rng = opinions
        self._make_client = make_client
        self._id = id_
        self._client: httpx.Client | None = None
        self._cookies = httpx.Cookies()
        self._page = Page()
        self._was_asked = False
        """Whether the question about the instructions was answered before."""

    def arrive(self) -> None:
        """Open the study, press Start, agree, answer the screener: until the comparisons are drawn, or the end."""
        with self._connected() as client:
            self._arrive(client)

    def _arrive(self, client: httpx.Client) -> None:
        asked = {"lang": self._design.language} | ({"pid": self._id} if self._id else {})
        landing = client.get(f"/s/{self._design.slug}", params=asked)
        if landing.status_code == httpx.codes.NOT_FOUND:
            raise UnexpectedPage(
                f"there is no study '{self._design.slug}' with exactly this design (version "
                f"{self._design.version}); add it to that service first"
            )
        self._page = self._read(landing)
        if not self._page.shows_form("/start"):
            raise UnexpectedPage(
                f"study '{self._design.slug}' version {self._design.version} is closed or paused and takes no "
                "participants; open it, or rehearse a new version"
            )
        self._send("/start")
        if self._page.shows_form("/consent"):
            self._send("/consent", "agree")
        if self._page.shows_form("/screener"):
            self._fill_in("/screener", self._design.screener, self._conduct.answer_screener)

    def go_on(self, stop: threading.Event, progress: Callable[[int], None]) -> None:
        """Take step after step until the last page is reached."""
        with self._connected():
            self._take_steps(stop, progress)

    def _take_steps(self, stop: threading.Event, progress: Callable[[int], None]) -> None:
        steps = {
            "/suggest": self._suggest,
            "/rate": self._rate,
            "/rank": self._rank,
            "/begin": self._begin,
            "/answer": self._answer,
            "/follow-up": self._follow_up,
            "/choose": self._choose_one,
            "/comprehension": self._comprehend,
            "/demographics": self._describe,
        }
        while not stop.is_set():
            if _CODE in self._page.outputs:
                self.ending = self._page.name
                return
            step = next((do for ending, do in steps.items() if self._page.shows_form(ending)), None)
            if step is None:
                raise UnexpectedPage(f"the survey ended without a completion code: {self._page.heading}")
            step(progress)

    @contextmanager
    def _connected(self) -> Iterator[httpx.Client]:
        """Hold a connection while pages are taken, none while waiting for others: a service has only so many."""
        with self._make_client() as client:
            client.cookies = self._cookies
            self._client = client
            try:
                yield client
            finally:
                self._cookies, self._client = client.cookies, None

    def _suggest(self, progress: Callable[[int], None]) -> None:
        """Name what should count, or what should not, one thing after another; the last one may be sent by going
        on."""
        stance = self._page.open_question(self._design).stance
        rng, manner = self._rng_of[stance], self._voices.population.manner
        entries = list(self._voices.suggestions(stance, self._design.language, rng))
        self.suggestions += len(entries)
        last = entries.pop() if entries and rng.random() < 0.5 else None
        for entry in entries:
            self._add(entry, "add")
            if rng.random() < manner.takes_back:
                self._add(entry, "add")
                # The newest stands first.
                self._send("/remove")
        self._add(last or Entry(text=""), "go_on")
        progress(1)

    def _add(self, entry: Entry, button: str) -> None:
        form = self._page.form("/suggest")
        given = {"text": entry.text, "why": entry.why, "direction": entry.direction}
        filled_in = {name: [value] for name, value in given.items() if name in form.written}
        self._post("/suggest", form.sent_with(button, filled_in))

    def _rate(self, progress: Callable[[int], None]) -> None:
        """Rate what the page lists. Who is asked whether something was left out on purpose says so."""
        listed = {name.removeprefix(_RATING) for name in self._page.form("/rate").asked}
        # In the design's order: the page's is drawn by the service.
        names = [a.name for a in self._design.acceptability.attributes] if self._design.acceptability else []
        if listed != set(names):
            raise UnexpectedPage(f"the page does not list what the design does: {self._page.heading}")
        self.ratings = self._voices.ratings(names, self._opinions_rng)
        given = {f"{_RATING}{name}": [rating.value] for name, rating in self.ratings.items()}
        asks_again = len(given) < len(names)
        self._post("/rate", self._page.form("/rate").sent_with(filled_in=given), asks_again=asks_again)
        if asks_again:
            self._post("/rate", self._page.form("/rate").sent_with(filled_in=given))
        progress(1)

    def _rank(self, progress: Callable[[int], None]) -> None:
        form = self._page.form("/rank")
        if not form.asked:
            raise UnexpectedPage(f"the page offers nothing to rank: {self._page.heading}")
        # The first of the values is no place.
        most = len(next(iter(form.asked.values()))) - 1
        ranked = self._voices.ranking(self.ratings, most, self._opinions_rng)
        places = {f"{_PLACE}{name}": str(place) for place, name in enumerate(ranked, start=1)}
        self._post("/rank", form.sent_with(filled_in={name: [places.get(name, "")] for name in form.asked}))
        progress(1)

    def _begin(self, _progress: Callable[[int], None]) -> None:
        self._send("/begin")

    def _answer(self, progress: Callable[[int], None]) -> None:
        left, right = self._page.compared(self._design)
        offered = self._page.offered()
        practice = self._page.name == "practice"
        instructed = self._page.instructed(self._design)
        if instructed is not None and self._other_rng.random() < self._conduct.follows_instructed:
            choice = instructed
        else:
            choice = self._rule.choose(left, right, offered, self._other_rng if practice else self._rng)
        self._send("/answer", choice.value)
        if not practice:
            self.choices.append(choice)
            progress(1)

    def _follow_up(self, _progress: Callable[[int], None]) -> None:
        form = self._page.form("/follow-up")
        offered = [button.value for button in form.buttons]
        if form.fields.get("kind") == "strict":
            left, right = self._page.compared(self._design)
            decided = tuple(Choice(value) for value in offered)
            value = self._rule.choose(left, right, decided, self._other_rng).value
        else:
            value = self._conduct.answer_reason(offered, self._other_rng)
        self._send("/follow-up", value)

    def _choose_one(self, _progress: Callable[[int], None]) -> None:
        offered = self._page.form("/choose").asked["choice"]
        chosen = self._conduct.choose_one(offered, self._other_rng)
        self._post("/choose", self._page.form("/choose").sent_with(filled_in={"choice": [chosen]}))

    def _comprehend(self, _progress: Callable[[int], None]) -> None:
        asked = self._design.comprehension
        if asked is None:
            raise UnexpectedPage(f"the page asks what the design does not: {self._page.heading}")
        option = self._conduct.answer_comprehension(asked, again=self._was_asked, rng=self._other_rng)
        self._was_asked = True
        self._send("/comprehension", option)

    def _describe(self, _progress: Callable[[int], None]) -> None:
        self._fill_in("/demographics", self._design.demographics, self._conduct.describe)

    def _fill_in(
        self,
        ending: str,
        questions: tuple[FormQuestion, ...],
        answer: Callable[[FormQuestion, np.random.Generator], list[str]],
    ) -> None:
        """Answer what the page asks, in its order."""
        known = {question.name: question for question in questions}
        unknown = [name for name in self._page.form(ending).asked if name not in known]
        if unknown:
            raise UnexpectedPage(f"the page asks for '{unknown[0]}', which the design does not")
        answers = {name: answer(known[name], self._other_rng) for name in self._page.form(ending).asked}
        self._post(ending, self._page.form(ending).sent_with(filled_in=answers))

    def _send(self, ending: str, button: str | None = None) -> None:
        self._post(ending, self._page.form(ending).sent_with(button))

    def _post(self, ending: str, sent: Sent, *, asks_again: bool = False) -> None:
        """Send a form and take the page that comes; ``asks_again``: the same one is to come again."""
        assert self._client is not None  # noqa: S101 - steps are taken while connected
        response = self._client.post(self._page.form(ending).action, data=sent)
        if asks_again and response.status_code == httpx.codes.UNPROCESSABLE_ENTITY:
            self._page = read_page(response.text)
        else:
            self._page = self._read(response)

    @staticmethod
    def _read(response: httpx.Response) -> Page:
        page = read_page(response.text)
        if response.is_error:
            raise UnexpectedPage(f"{response.status_code} at {response.request.method}: {page.heading}")
        return page
