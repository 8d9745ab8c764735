"""From weights to match runs: pools, clearing, validity. Pure but for its files."""
