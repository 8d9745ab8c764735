"""Fine-tuning at a provider, which gets prompts and choices and never who gave them."""
