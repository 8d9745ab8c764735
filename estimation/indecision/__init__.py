"""Models of indecision: how likely "I cannot say" is, given two profiles."""
