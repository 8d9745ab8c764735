"""Candidates, kidneys and the problems made of them: drawn from a registry extract or made up."""
