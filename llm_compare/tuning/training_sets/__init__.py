"""What a model is shown: people's answers to some comparisons, never those that it is measured on."""
