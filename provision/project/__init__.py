"""What a Django Channels project is made of, found by reading it; nothing of it is run."""
