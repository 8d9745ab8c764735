"""A pool over years: who arrives, who waits, who leaves, and whom each match run reaches."""
