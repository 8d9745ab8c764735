"""The survey's commands, one module per group; ``survey.cli`` loads them by name."""
