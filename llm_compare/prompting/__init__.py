"""What is asked: a comparison in words, the variants of a prompt, and which calls are made. Pure."""
