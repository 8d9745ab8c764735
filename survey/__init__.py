"""Ask people: the study design, the survey that runs it, the answers it collects.

The other packages use only the plain modules here (``design``, ``design_file``, ``answers``,
``answers_file``, ``wording``); the web, the database and the commands stay inside.
"""
