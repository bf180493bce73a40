"""What only some versions of gunicorn know: in a file, the others pass over it."""

# Its place is in the site's home, the same for all processes.
control_socket_disable = True
