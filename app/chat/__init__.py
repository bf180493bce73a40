"""The chat: two rooms, their history, and the pages and sockets that lead to them."""
