"""The commands of ``equipoise compare``, a file each."""
