"""Experiments: scenarios under conditions with seeds, run in parallel, resumable, all results in one folder."""
