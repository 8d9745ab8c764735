"""A waiting list that evolves: kidneys come, offers are declined, candidates arrive, wait, leave."""
