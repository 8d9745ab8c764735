"""How each respondent answered, and what the weights owe to those who stand out. Flags, never silent drops."""
