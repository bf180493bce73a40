"""The parts of a project, each with the place where the project names it."""
