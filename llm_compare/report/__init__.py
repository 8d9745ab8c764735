"""The page and its pictures, made from alignment.json."""
