"""The one exception that ends the command with a message."""


class LaurelError(Exception):
    """What was wrong, where, and what to do; shown without a traceback."""
