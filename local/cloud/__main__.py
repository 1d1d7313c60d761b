"""Starts the local cloud and stays until it is ended.

`LAZARET_CLOUD_PATCHES=none` starts stock MiniStack: the tests do, to see which patches a new version no longer needs.
"""

from __future__ import annotations

import os

from cloud.settings import Settings


def main() -> None:
    settings = Settings.from_environment(os.environ)
    # MiniStack reads its environment while it is imported: so it is set first, and imported after.
    os.environ.update(settings.environment())
    settings.scratch.mkdir(parents=True, exist_ok=True)

    from ministack import app

    from cloud import patches

    if settings.patched:
        patches.apply_all()
    app.main()


if __name__ == "__main__":
    main()
