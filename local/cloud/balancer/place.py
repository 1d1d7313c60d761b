"""Where a load balancer listens."""

from __future__ import annotations

import hashlib

# Not everybody may listen below.
_LOWEST_PORT = 1024
_PORTS_MOVED_BY = 8000


def address(cloud_port: int, name: str) -> str:
    """On loopback; another for each cloud and load balancer. The runner's containers have 127.64.0.0/10."""
    first, second, third = hashlib.sha256(f"{cloud_port} {name}".encode()).digest()[:3]
    return f"127.{128 + first % 126}.{second}.{1 + third % 254}"


def local_port(port: int) -> int:
    """Where a listener of that port listens: 80 on 8080."""
    return port if port >= _LOWEST_PORT else port + _PORTS_MOVED_BY
