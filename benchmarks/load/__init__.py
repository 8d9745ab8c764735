"""Putting load on a running survey: services to start, clients that answer, what they measured."""
