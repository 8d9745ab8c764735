"""A file per command of ``equipoise exchange``."""
