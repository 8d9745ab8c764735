"""The survey's web pages.

Other packages' ``web.py`` may use ``context`` (database, settings) and ``access`` (researchers only).
"""
