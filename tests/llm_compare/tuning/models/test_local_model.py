from __future__ import annotations

import math

from llm_compare.tuning.models.local_model import load_model
from llm_compare.tuning.models.prompted import Prompted


def test_a_continuation_does_not_depend_on_what_is_asked_beside_it(random_base, requests_of):
    model = load_model(random_base)
    asked = [Prompted(messages=r.messages, seed=i, top_logprobs=5) for i, r in enumerate(requests_of(3))]

    together = model.continued(asked)
    alone = [model.continued([p])[0] for p in asked]

    assert [g.text for g in together] == [g.text for g in alone]
    for one, other in zip(together, alone, strict=True):
        assert all(
            math.isclose(a.logprob, b.logprob, abs_tol=1e-4)
            for a, b in zip(one.tokens, other.tokens, strict=True)
        )
