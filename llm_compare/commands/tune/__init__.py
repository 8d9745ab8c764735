"""The commands of ``equipoise compare tune``, a file each."""
