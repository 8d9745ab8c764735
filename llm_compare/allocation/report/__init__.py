"""``allocation.json`` and the page made from it."""
