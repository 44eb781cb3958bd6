"""Which hosts may be data sources: those on the operator's list, each as host:port, and no others."""

from collections.abc import Sequence

from lodge_kit.problems import Invalid


def require_allowed(host: str, port: int, *, allowed: Sequence[str]) -> None:
    """Raise Invalid unless `host:port` is on the list (LODGE_ENQUIRY_SOURCE_HOSTS), by its exact name.

    A name with a comma, a path or another spelling of an address is on no list, and so is refused.
    """
    if f"{host}:{port}".lower() in {entry.strip().lower() for entry in allowed}:
        return
    raise Invalid.at(
        "/host",
        f"{host}:{port} is not a host that data sources may be on; ask an operator to add it to"
        " LODGE_ENQUIRY_SOURCE_HOSTS.",
        code="host-not-allowed",
    )
