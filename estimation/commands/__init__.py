"""The commands of ``equipoise estimate``, one file each."""
