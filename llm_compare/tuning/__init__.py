"""Tune an open model toward people's answers, and measure what that changed, wanted or not."""
