"""The database's history, in the order of its numbers."""
