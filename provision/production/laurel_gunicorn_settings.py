"""Settings that only some versions of gunicorn know: the others ignore them in a file."""

# The control socket's default path is in the site's home, the same for all processes.
control_socket_disable = True
