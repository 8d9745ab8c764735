"""From answers to weights. Pure but for its files; cannot know whether a person or a model answered."""
