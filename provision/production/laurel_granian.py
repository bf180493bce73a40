"""The project's ASGI application under granian, which ignores proxy headers without a wrapper."""

import ctypes
import signal

from granian.utils.proxies import wrap_asgi_with_proxy_headers
from laurel_asgi import application as inner

PR_SET_PDEATHSIG = 1

# Without this, granian's worker survives when granian is killed.
ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

# "*": only nginx reaches the socket, and it sets these headers.
application = wrap_asgi_with_proxy_headers(inner, trusted_hosts="*")
