"""What ``Cluster`` is given, checked, and said again in the core's words.

What the core cannot do is refused here, loudly: no option is passed over.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cassandra import DriverException, ProtocolVersion, UnresolvableContactPoints
from cassandra._driver.endpoints import refuse_tls
from cassandra._endpoints import DefaultEndPoint, EndPoint

CORE_VERSIONS = (
    ProtocolVersion.V3,
    ProtocolVersion.V4,
    ProtocolVersion.V5,
    ProtocolVersion.DSE_V1,
    ProtocolVersion.DSE_V2,
)
"""The protocol versions that the core speaks."""


def not_available(option: str) -> DriverException:
    """The error for an option that this version cannot honour."""
    return DriverException(f"Cluster({option}=...) is not available in this version of the driver")


def refuse_class(name: str, value: Any) -> None:
    """:raises TypeError: *value*, given as *name*, is a class where an instance is meant."""
    if isinstance(value, type):
        raise TypeError(f"{name} should not be a class, it should be an instance of that class")


def require_callable(name: str, value: Any) -> None:
    """:raises ValueError: *value*, given as *name*, cannot be called."""
    if not callable(value):
        raise ValueError(f"{name} must be callable")


def resolve_contact_points(contact_points: Iterable[Any], port: int) -> list[EndPoint]:
    """Endpoints for *contact_points*: addresses, names, ``(address, port)`` or endpoints.

    A name that does not resolve is passed over while others do.

    :raises UnresolvableContactPoints: none does.
    :raises DriverException: one needs TLS.
    """
    endpoints: list[EndPoint] = []
    failed: dict[Any, Any] = {}
    some = False
    for point in contact_points:
        some = True
        if isinstance(point, EndPoint):
            refuse_tls(point)
            endpoints.append(point)
            continue
        name, point_port = point if isinstance(point, tuple) else (point, port)
        if _is_ipv4(name):
            found = [(name, point_port)]
        else:
            import socket

            try:
                infos = socket.getaddrinfo(name, point_port, socket.AF_UNSPEC, socket.SOCK_STREAM)
            except socket.gaierror as error:
                failed[name] = error
                continue
            found = [address[:2] for *_, address in infos]
        for address, found_port in found:
            endpoint = DefaultEndPoint(str(address), int(found_port))
            if endpoint not in endpoints:
                endpoints.append(endpoint)
    if some and not endpoints:
        raise UnresolvableContactPoints({})
    return endpoints


def _is_ipv4(name: Any) -> bool:
    """Whether *name* is an IPv4 address in its usual form, so that there is nothing to look up."""
    if not isinstance(name, str):
        return False
    parts = name.split(".")
    return len(parts) == 4 and all(part.isdecimal() and part.isascii() and str(int(part)) == part for part in parts)


def compressions(compression: Any) -> list[str]:
    """Names of the compressions to offer, the best first.

    :raises DriverException: *compression* names one that is not known.
    """
    if compression is True:
        return ["lz4", "snappy"]
    if not compression:
        return []
    if compression in ("lz4", "snappy"):
        return [compression]
    raise DriverException(f"compression: {compression!r} is not one of True, False, 'lz4' and 'snappy'")


def core_version(version: Any, explicit: bool, allow_beta: bool) -> int | None:
    """The protocol version to insist on, or ``None`` to negotiate.

    :raises DriverException: the core does not speak it.
    """
    if not explicit:
        return None
    if version in CORE_VERSIONS:
        return int(version)
    if version in ProtocolVersion.BETA_VERSIONS and not allow_beta:
        raise DriverException(
            f"protocol_version: {version} is a beta version; it needs allow_beta_protocol_version, and is not available"
        )
    known = ", ".join(str(known) for known in CORE_VERSIONS)
    raise DriverException(f"protocol_version: {version!r} is not one of {known}")
