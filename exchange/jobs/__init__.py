"""Experiments that run in background for the researcher's pages. All there is to know of one is in its folder."""
