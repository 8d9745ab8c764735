"""Models of indecision: how likely left, right and "I cannot say" are, given two profiles. One file each."""
