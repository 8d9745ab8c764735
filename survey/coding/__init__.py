"""Coding: from people's own words to categories, and from categories to the attributes of a study. Pure.

``coding.py`` holds what there is; ``final.py`` says which codes count; the others each measure one thing of it.
"""
