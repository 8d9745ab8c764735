"""Groups of look-alikes."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer

from survey.coding.alike import groups_of, plain_text

WORDS = [
    "age",
    "aged",
    "old",
    "older",
    "young",
    "health",
    "healthy",
    "family",
    "children",
    "child",
    "wealth",
    "rich",
    "smoking",
    "smoker",
    "job",
    "luck",
]
texts_of_words = st.lists(st.lists(st.sampled_from(WORDS), max_size=4).map(" ".join), max_size=14)


def parts(texts, groups) -> set[frozenset[str]]:
    return {frozenset(t for t, g in zip(texts, groups, strict=True) if g == k) for k in groups}


def test_slips_and_endings_are_together_and_other_words_apart():
    texts = [
        "Age of the patient",
        "age of patients",
        "Smoking",
        "smokng",
        "smoking.",
        "Wealth",
        "AGE  of the patient!",
    ]

    assert groups_of(texts, threshold=0.5) == [1, 1, 2, 2, 2, 3, 1]


def test_equal_texts_are_together_at_any_threshold_whatever_their_case_spaces_and_marks():
    texts = ["Älter", "a\u0308lter", "ÄLTER …", "ﬁt", "fit", "STRASSE", "straße", "luck"]

    assert groups_of(texts, threshold=1) == [1, 1, 1, 2, 2, 3, 3, 4]


def test_any_alphabet_and_emoji_are_compared():
    texts = [
        "👨‍👩‍👧",
        "👨‍👩‍👧 !",
        "🎲",
        "גיל המטופל",
        "גיל המטופלים",
        "العمر",
        "年齢が若い人",
        "年齢が若い",
        "❤️",
        "❤",
    ]

    groups = groups_of(texts, threshold=0.4)

    assert groups[0] == groups[1] != groups[2]
    assert groups[3] == groups[4] != groups[5]
    assert groups[6] == groups[7]
    assert groups[8] == groups[9]


def test_texts_without_anything_to_compare_are_one_group_of_their_own():
    assert groups_of(["", "age", "…", " \u200f ", "a", "?!"]) == [1, 2, 1, 1, 3, 1]
    assert groups_of([]) == []
    assert groups_of(["?", ""]) == [1, 1]


def test_chains_of_small_steps_do_not_join_what_looks_different():
    # Every two neighbors share three of four words, the ends none.
    words = ["kidney", "waiting", "family", "health", "transplant", "hospital", "doctor", "citizen"]
    texts = [" ".join(words[i : i + 4]) for i in range(5)]

    groups = groups_of(texts, threshold=0.6)

    assert groups[0] != groups[-1]
    assert groups_of(["age", "luck"], threshold=0.01) == [1, 2]


@pytest.mark.parametrize("threshold", [0.0, -1.0, 1.1, float("nan")])
def test_a_threshold_that_joins_all_or_nothing_is_refused(threshold):
    with pytest.raises(ValueError, match="above 0 and at most 1"):
        groups_of(["age"], threshold=threshold)


@settings(max_examples=60, deadline=None)
@given(texts_of_words, st.randoms(use_true_random=False), st.sampled_from([0.3, 0.6, 0.9]))
def test_which_texts_are_together_depends_on_neither_order_nor_repetition(
    texts, rng: random.Random, threshold
):
    groups = groups_of(texts, threshold=threshold)
    order = rng.sample(range(len(texts)), len(texts))
    shuffled = [texts[i] for i in order]
    doubled = [*texts, *texts]

    assert parts(shuffled, groups_of(shuffled, threshold=threshold)) == parts(texts, groups)
    assert groups_of(doubled, threshold=threshold) == [*groups, *groups]
    # Numbered in order of first appearance.
    assert list(dict.fromkeys(groups)) == list(range(1, len(set(groups)) + 1))


@settings(max_examples=60, deadline=None)
@given(texts_of_words)
def test_each_group_has_a_leader_that_all_others_look_like(texts):
    plain = [plain_text(t) for t in texts]
    distinct = sorted(set(plain) - {""})
    if not distinct:
        return
    vectors = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), lowercase=False).fit_transform(distinct)
    similar = dict(zip(distinct, (vectors @ vectors.T).toarray(), strict=True))
    groups = dict(zip(plain, groups_of(texts), strict=True))

    for group in set(groups.values()) - {groups.get("")}:
        members = [distinct.index(text) for text in distinct if groups[text] == group]
        assert any(all(similar[distinct[m]][other] >= 0.6 - 1e-8 for other in members) for m in members)


def test_ten_thousand_texts_fall_into_groups():
    rng = random.Random(1)
    more = [w + e for w in WORDS for e in ("", "s", "y", "ness", "er")]
    texts = [" ".join(rng.choice(more) for _ in range(rng.randint(1, 8))) for _ in range(10_000)]

    groups = groups_of(texts)

    assert 1 < len(set(groups)) < 10_000
