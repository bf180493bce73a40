"""Migrations of the chat's table."""
