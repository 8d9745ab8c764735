"""What the difference does to patients: pools cleared and simulated with either weights."""
