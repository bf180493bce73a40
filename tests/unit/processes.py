"""The site's processes, as a manager tells of them."""

from laurel.process import Process


def process(
    number: int = 0,
    group: str = "asgi",
    pid: int = 7,
    state: str = "RUNNING",
    uptime: int = 60,
    problem: str = "",
) -> Process:
    """A process of daphne, or of gunicorn in the group `wsgi`; `uptime` is in seconds."""
    server = {"asgi": "daphne", "wsgi": "gunicorn"}[group]
    return Process(
        group=group,
        number=number,
        name=f"{group}:{group}{number}",
        pid=pid,
        state=state,
        uptime=uptime,
        problem=problem,
        socket=f"/run/daphne/{server}{number}.sock",
    )
