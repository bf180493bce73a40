"""The operator's command on a Laurel machine, for the system's Python."""
