"""Reads a Django Channels project statically, and reports what cannot work on the machine.

source/ reads files and Python modules, findings/ says what the project consists of, checks/ says
what cannot work. Each package imports only from those before it. No code of the project runs.
"""
