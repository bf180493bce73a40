"""The project's ASGI application under hypercorn, which reads no proxy's headers by itself."""

from hypercorn.middleware import ProxyFixMiddleware
from laurel_application import application as project

# nginx alone reaches the socket, and says what is true.
application = ProxyFixMiddleware(project("ASGI"), trusted_hops=1)
