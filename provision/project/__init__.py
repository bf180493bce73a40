"""Finds what a Django Channels project is made of, and what would not work."""
