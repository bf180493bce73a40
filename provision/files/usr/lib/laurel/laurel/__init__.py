"""The operator's command of a Laurel machine, on the system's Python alone."""
