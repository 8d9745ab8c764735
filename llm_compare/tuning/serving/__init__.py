"""A local model behind the chat interface that every other model is asked through."""
