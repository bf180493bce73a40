"""The sender of a message: the name to show, and the client's address."""

import ipaddress


def display_name(user, wished: str) -> dict:
    """Return the fields `name` and `guest` of a message by this user.

    A logged-in user's name is fixed. A guest chooses one, and the message is marked as a guest's.
    """
    if user.is_authenticated:
        return {"name": user.get_username(), "guest": False}
    return {"name": wished, "guest": True}


def client_address(host: str | None) -> str | None:
    """Return the address in the form that the database stores, or None if it is invalid.

    A client on a unix socket has no address, and a proxy may send another word, such as "unknown".
    """
    try:
        address = ipaddress.ip_address(host or "")
    except ValueError:
        return None
    return str(getattr(address, "ipv4_mapped", None) or address)
