"""Models that take an open study as people do, in tables of their own, apart from all that concerns people."""
