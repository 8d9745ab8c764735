"""Clearing one pool in a process of its own, with ours and with another program, and what that took."""
