"""What the local cloud is told by its environment, and what it tells MiniStack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# What the region is called matters to nobody; it must be the same everywhere.
REGION = "eu-central-1"
# MiniStack takes any key. One of twelve digits would be an account of its own.
ACCESS_KEY = "test"
SECRET_KEY = "test"
ACCOUNT = "000000000000"


@dataclass(frozen=True)
class Settings:
    """See `from_environment` for the variables."""

    port: int
    scratch: Path
    docker_host: str | None
    patched: bool

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """`LAZARET_LOCAL_PORT`, `LAZARET_CLOUD_SCRATCH` (a directory of its own), `DOCKER_HOST` (the process runner)
        and `LAZARET_CLOUD_PATCHES` (`all` or `none`)."""
        for name in ("LAZARET_LOCAL_PORT", "LAZARET_CLOUD_SCRATCH"):
            if not environment.get(name):
                raise SystemExit(f"{name} is not set")
        patches = environment.get("LAZARET_CLOUD_PATCHES", "all")
        if patches not in ("all", "none"):
            raise SystemExit(f"LAZARET_CLOUD_PATCHES is `{patches}`; give `all` or `none`")
        return cls(
            port=int(environment["LAZARET_LOCAL_PORT"]),
            scratch=Path(environment["LAZARET_CLOUD_SCRATCH"]),
            docker_host=environment.get("DOCKER_HOST"),
            patched=patches == "all",
        )

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def environment(self) -> dict[str, str]:
        """MiniStack's own variables."""
        return {
            "GATEWAY_PORT": str(self.port),
            "BIND_HOST": "127.0.0.1",
            # Queue URLs hold this name, whatever name a request came by.
            "MINISTACK_HOST": "127.0.0.1",
            "MINISTACK_REGION": REGION,
            "MINISTACK_ACCOUNT_ID": ACCOUNT,
            # MiniStack hands it to every function, so that their deployment names no endpoint.
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            # Code of functions is unpacked here.
            "TMPDIR": str(self.scratch),
            # Without a runner no task can start; the default would be the machine's real Docker.
            "DOCKER_HOST": self.docker_host or "unix:///nonexistent/lazaret-has-no-runner.sock",
            # Listeners that nobody needs.
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            # In memory alone: each start is a fresh cloud.
            "PERSIST_STATE": "0",
            # The keys of user pools are written all the same, by default for every cloud of this machine.
            "STATE_DIR": str(self.scratch / "state"),
            "S3_PERSIST": "0",
        }
