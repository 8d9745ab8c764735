"""The questions we ask of the database, by noun. Each takes a session and never commits: views and commands do."""
