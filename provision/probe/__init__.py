"""Asks the project itself, in the image's own system: see __main__.py.

It runs on the project's Python, 3.8 or later, with the standard library and the project's Django.
"""
