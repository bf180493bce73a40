"""A project's files and its Python, read and never run."""
