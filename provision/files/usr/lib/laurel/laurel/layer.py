"""Whether messages pass between the processes of a site through its channel layers."""

from collections.abc import Mapping


def refusal(backends: Mapping[str, str], processes: str, http_server: str) -> str:
    """Return why these channel layers can't serve the site, or "" if they can.

    A layer in memory passes messages within one process. With `processes` (PROCESSES) other than
    "1", or an `http_server` (HTTP_SERVER) other than "same", the site has several.

    `backends` maps each layer's name, as the message shows it, to its backend: the path of a class
    or a value of CHANNEL_LAYER, e.g. {"CHANNEL_LAYER": "memory"}.
    """
    if processes == "1" and http_server == "same":
        return ""
    for name, backend in backends.items():
        if backend == "memory" or backend.endswith("InMemoryChannelLayer"):
            return (
                f"{name} is {backend}, which loses messages between processes, and"
                f" PROCESSES={processes}, HTTP_SERVER={http_server} means several: set"
                " CHANNEL_LAYER=pubsub, or use channels_redis in the project's settings, or set"
                " PROCESSES=1 and HTTP_SERVER=same"
            )
    return ""
