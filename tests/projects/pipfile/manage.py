#!/usr/bin/env python
import os
import sys


def main():
    """Run administrative tasks."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "helpdesk.settings")
    try:
        from django.core.management import execute_from_command_line
    except ImportError as error:
        raise ImportError("Django is not there. Did you forget `pipenv shell`?") from error
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
