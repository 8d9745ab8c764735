"""How far a model's choices are from people's."""
