"""Why a pair was not matched, and what priority costs. Start at :func:`exchange.explaining.explanation.explain`."""
