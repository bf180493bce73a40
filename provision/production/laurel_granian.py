"""The project's ASGI application under granian, which reads no proxy's headers by itself."""

import ctypes
import signal

from granian.utils.proxies import wrap_asgi_with_proxy_headers
from laurel_application import application as project

PR_SET_PDEATHSIG = 1

# The worker that granian starts would outlive a granian that is killed, and be nobody's.
ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

# nginx alone reaches the socket, and says what is true.
application = wrap_asgi_with_proxy_headers(project("ASGI"), trusted_hosts="*")
