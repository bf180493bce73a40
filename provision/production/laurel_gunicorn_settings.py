"""Settings that not every version of gunicorn knows. In a file, older versions ignore them."""

# The control socket's default path is in the site's home, the same for all processes.
control_socket_disable = True
