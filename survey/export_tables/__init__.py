"""The data files of an export: which there are, and what every column of theirs means and holds.

``files`` lists them; a module per noun has their columns.
"""

from survey.export_tables.files import data_files
from survey.export_tables.people import rule_values
from survey.export_tables.shared import SEPARATOR, DataFile

__all__ = ["SEPARATOR", "DataFile", "data_files", "rule_values"]
