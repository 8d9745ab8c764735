"""Open models on this machine, with or without an adapter."""
