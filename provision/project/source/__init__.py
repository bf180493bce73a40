"""Reads a project's files and Python modules without running them."""
