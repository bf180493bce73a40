"""Shorter logs for what a site meets every day."""

import logging


def brief(record: logging.LogRecord) -> bool:
    """Put an exception's last line in place of its traceback; a filter that keeps every record."""
    if record.exc_info:
        error = record.exc_info[1]
        # Django logs the exception's own text, which need not be there twice.
        if str(error) not in record.getMessage():
            record.msg, record.args = f"{record.getMessage()}: {error!r}", ()
        record.exc_info = None
    return True
