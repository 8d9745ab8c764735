"""Who answers, and how calls are made: litellm or a script, limits, budgets, resuming."""
