"""One question about a problem, as it is put and as it is answered, by whoever answers."""
