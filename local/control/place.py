"""Where a local cloud keeps its files and listens."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
DEFAULT_PORT = 14566
# sun_path has 108 bytes, the last of which is zero.
LONGEST_SOCKET = 107


@dataclass(frozen=True)
class Place:
    """`LAZARET_LOCAL_DIR` and `LAZARET_LOCAL_PORT` make a second one beside the first."""

    state: Path
    port: int
    target: Path

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Place:
        state = Path(environment.get("LAZARET_LOCAL_DIR", ROOT / ".local")).absolute()
        target = Path(environment.get("CARGO_TARGET_DIR", ROOT / "target")).absolute()
        return cls(state, int(environment.get("LAZARET_LOCAL_PORT", DEFAULT_PORT)), target / "debug")

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def socket(self) -> Path:
        """The runner's. A long path gets a short name of its own."""
        near = self.state / "docker.sock"
        if len(bytes(near)) <= LONGEST_SOCKET:
            return near
        name = hashlib.sha256(bytes(near)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"lazaret-{os.getuid()}-{name}" / "docker.sock"

    @property
    def images(self) -> Path:
        return self.state / "images.json"

    @property
    def functions(self) -> Path:
        return self.state / "functions"

    @property
    def assembly(self) -> Path:
        """What the CDK synthesized, kept for the next deployment."""
        return self.state / "cdk.out"

    @property
    def usage(self) -> Path:
        """What finished containers used, a JSON line each."""
        return self.state / "runner" / "usage.jsonl"

    @property
    def env_file(self) -> Path:
        return self.state / "env"


def forget_account() -> None:
    """A profile or an endpoint of the caller's could lead to a real account."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
