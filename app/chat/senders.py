"""Who sent a message: the name to show, and the address it came from."""

import ipaddress


def display_name(user, wished: str) -> dict:
    """Return the fields `name` and `guest` of a message by this user.

    A logged-in user's own name cannot be chosen. A guest's can, so it is marked as such.
    """
    if user.is_authenticated:
        return {"name": user.get_username(), "guest": False}
    return {"name": wished, "guest": True}


def client_address(host: str | None) -> str | None:
    """Return the address as the database takes it; None for what is not an address.

    A unix socket's client has none, and a proxy can pass on anything, such as "unknown".
    """
    try:
        address = ipaddress.ip_address(host or "")
    except ValueError:
        return None
    return str(getattr(address, "ipv4_mapped", None) or address)
