"""How people differ: classes, random coefficients, what does not count, and votes beside pooled weights."""
