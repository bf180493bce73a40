"""What a Django Channels project is made of, found by reading it; nothing of it is run.

source/ reads what is there, findings/ tell what it is, checks/ what of it can't work: each takes
from those before it alone.
"""
