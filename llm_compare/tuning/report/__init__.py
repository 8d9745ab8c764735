"""The page about tuning."""
