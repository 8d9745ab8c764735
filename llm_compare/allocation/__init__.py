"""Who gets the kidney, out of a list: viability, choose-one and rank-all, put to models, people and policies."""
