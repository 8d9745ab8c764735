"""Invariants of the survey, checked on live data. Each check says what it means and whom it concerns."""
