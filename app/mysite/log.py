"""Short logs for everyday errors."""

import logging


def brief(record: logging.LogRecord) -> bool:
    """Replace a traceback by the exception; a filter that keeps every record."""
    if record.exc_info:
        error = record.exc_info[1]
        # Django's message may contain the exception's text already.
        if str(error) not in record.getMessage():
            record.msg, record.args = f"{record.getMessage()}: {error!r}", ()
        record.exc_info = None
    return True
