"""Groups of look-alikes among suggestions: a help to whoever codes, never a code.

Texts are compared by the runs of two to four characters in their words, which needs no dictionary, works in any
alphabet and forgives endings and slips ("older people", "the older person"). It knows nothing of meaning: "age" and
"how old they are" do not look alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from unicodedata import category, normalize

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array

_BLOCK = 256
"""Texts whose similarities with all others are held at a time."""
_ROUNDING = 1e-9


def groups_of(texts: Sequence[str], *, threshold: float = 0.6) -> list[int]:
    """Return the group of each text: 1, 2 … in the order in which groups first appear.

    Texts that are equal but for case, spaces and punctuation are always together. The others gather around
    leaders: the text with the most look-alikes leads, then the one with the most that looks like no leader so far,
    and so on; every other text goes with the leader that it looks most like. So each text looks like its leader,
    and no chain of small steps joins texts that do not look alike (as single linkage would). Which texts are
    together does not depend on their order, on how often each was written, or on chance.

    Parameters
    ----------
    texts
        Of any length and alphabet. Those that hold nothing but spaces and punctuation make one group.
    threshold
        Least cosine of two texts' character n-grams, weighted by how rare they are (tf-idf), that makes them
        look-alikes, in (0, 1].

    Raises
    ------
    ValueError
        The threshold is not in (0, 1].

    References
    ----------
    Star clustering: Aslam, Pelekhov and Rus (2004), J. Graph Algorithms Appl. 8, 95-129.
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"the threshold must be above 0 and at most 1, not {threshold}")
    plain = [plain_text(text) for text in texts]
    # Sorted, so that nothing below can depend on the order in which the texts came.
    distinct = sorted(set(plain) - {""})
    leader = {"": -1} | dict(zip(distinct, _leaders(distinct, threshold), strict=True))
    numbers: dict[int, int] = {}
    return [numbers.setdefault(leader[text], len(numbers) + 1) for text in plain]


def plain_text(text: str) -> str:
    """Return what is compared: compatibility forms and case folded, punctuation and invisible characters gone.

    Emoji and other symbols stay, as do the marks of scripts that need them.
    """
    folded = normalize("NFKC", normalize("NFKC", text).casefold())
    # Cf: joiners and direction marks, which nobody sees; FE0F only asks for an emoji in color.
    visible = "".join(c for c in folded if category(c) != "Cf" and c != "\ufe0f")
    return " ".join("".join(" " if category(c)[0] in "PZC" else c for c in visible).split())


def _leaders(texts: list[str], threshold: float) -> list[int]:
    """Return, for each of different texts, the index of its leader."""
    if not texts:
        return []
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectors = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), lowercase=False).fit_transform(texts)
    least = threshold - _ROUNDING
    return _nearest(vectors, _n_alike(vectors, least), least)


def _n_alike(vectors: csr_array, least: float) -> NDArray[np.int64]:
    """Return how many texts each one looks like, itself included."""
    others = vectors.T.tocsr()
    counts = np.empty(vectors.shape[0], dtype=np.int64)
    for start in range(0, vectors.shape[0], _BLOCK):
        similar = vectors[start : start + _BLOCK] @ others
        rows = np.repeat(np.arange(similar.shape[0]), np.diff(similar.indptr))
        counts[start : start + _BLOCK] = np.bincount(rows[similar.data >= least], minlength=similar.shape[0])
    return counts


def _nearest(vectors: csr_array, n_alike: NDArray[np.int64], least: float) -> list[int]:
    """Return the leader of each text.

    No leader looks like another, every text looks like at least one, and goes with the one it looks most like.
    """
    others = vectors.T.tocsr()
    leader = np.full(len(n_alike), -1)
    closest = np.zeros(len(n_alike))
    waiting = np.lexsort((np.arange(len(n_alike)), -n_alike))
    while len(waiting):
        block, waiting = waiting[:_BLOCK], waiting[_BLOCK:]
        similar = vectors[block] @ others
        for row, text in enumerate(block):
            if leader[text] >= 0:
                continue
            own = slice(similar.indptr[row], similar.indptr[row + 1])
            # Rounded, so that the first of two leaders that are equally close keeps the text.
            found, how_close = similar.indices[own], np.round(similar.data[own], 9)
            closer = (how_close >= least) & (how_close > closest[found])
            leader[found[closer]], closest[found[closer]] = text, how_close[closer]
            leader[text], closest[text] = text, np.inf
        waiting = waiting[leader[waiting] < 0]
    return [int(i) for i in leader]
