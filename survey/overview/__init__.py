"""Where a study stands, for the researcher: counts by SQL, and figures from one scan of a wave's answers.

People and simulated participants are always counted apart. Nothing here changes anything.
"""

from survey.overview.counts import Overview, overview_of

__all__ = ["Overview", "overview_of"]
