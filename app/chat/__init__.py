"""The chat: two rooms, their history, their pages and their websockets."""
