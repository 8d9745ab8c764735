"""The files that pools come in, a module per format. Start at :mod:`exchange.pool_file`."""
