"""The exception that ends a command with a message."""


class LaurelError(Exception):
    """What is wrong, where, and what to do; shown without a traceback."""
