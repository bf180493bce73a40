"""Servers, their manager and the channel layer: a machine can't run every choice of them."""

from collections.abc import Mapping

from laurel import servers


def settle(values: dict[str, str], baked: Mapping[str, str], problems: list[str]) -> None:
    """Put back what can't be had here; each is told in `problems`.

    `values` and `baked` hold settings by name, now and as the machine was provisioned.
    """
    for name, kind, others in (("ASGI_SERVER", "asgi", []), ("HTTP_SERVER", "wsgi", ["same"])):
        if name not in baked or values[name] == baked[name]:
            continue
        choices = [*others, *servers.names(kind)]
        if values[name] not in choices:
            told = f"it is one of {', '.join(choices)}"
        elif values[name] not in others and not servers.read(values[name]).installed():
            told = "the site's environment has it not: bake with that setting, or require it"
        else:
            continue
        problems.append(f"{name}={values[name]}: {told}; {baked[name]} is used")
        values[name] = baked[name]

    layer = values.get("CHANNEL_LAYER")
    chosen = layer in ("pubsub", "core") and layer != baked["CHANNEL_LAYER"]
    if chosen and not servers.has("channels-redis"):
        problems.append(
            f"CHANNEL_LAYER={layer}: the site's environment has no channels-redis: bake with that"
            f" setting, or require it; {baked['CHANNEL_LAYER']} is used"
        )
        values["CHANNEL_LAYER"] = baked["CHANNEL_LAYER"]

    http = values.get("HTTP_SERVER", "same")
    if http != "same" and not values.get("WSGI_APPLICATION"):
        told = "the project has no WSGI application (WSGI_APPLICATION=module:name)"
    elif http != "same" and values.get("CHANNEL_LAYER") == "memory":
        told = "CHANNEL_LAYER=memory reaches no websocket from its processes"
    else:
        told = ""
    if told:
        problems.append(f"HTTP_SERVER={http}: {told}; same is used")
        values["HTTP_SERVER"] = "same"

    manager = baked.get("PROCESS_MANAGER")
    if manager and values["PROCESS_MANAGER"] != manager:
        problems.append(
            f"PROCESS_MANAGER={values['PROCESS_MANAGER']}: it is fixed when a machine is"
            f" provisioned; {manager} is used"
        )
        values["PROCESS_MANAGER"] = manager
