"""Low-rank training toward people's shares."""
