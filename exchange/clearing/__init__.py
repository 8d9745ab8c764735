"""Choose the exchanges: objectives, formulations, solvers. Start at :func:`exchange.clearing.clear.clear_pool`."""
