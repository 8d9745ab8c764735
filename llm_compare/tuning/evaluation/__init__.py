"""What tuning changed: before, after, by sample size, and where nobody asked for it."""
