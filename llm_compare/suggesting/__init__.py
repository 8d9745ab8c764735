"""The open questions put to models, models' proposals for coding answers, and people beside models."""
