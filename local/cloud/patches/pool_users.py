"""AdminCreateUser makes up a password that the pool's policy allows, and names of users have no case where the pool says so.

Stock: makes one of twelve characters, and refuses it where the policy asks for more; a pool whose UsernameConfiguration is not
CaseSensitive takes `ANNA` for another than `anna`.
AWS: makes up one that conforms; both are the same user.
Here: `lazaret user create` names no temporary password, since it sets a permanent one next; clients of other servers never
minded the case.
"""

from __future__ import annotations

import secrets
import string

from ministack.services import cognito

# Beyond any minimum that a person would set; the policy's own limit is 99.
_LENGTH = 48
_SYMBOLS = "!@#$%^&*"


def apply() -> None:
    cognito._generate_temp_password = _generate
    _names_without_case()


def _names_without_case() -> None:
    stock, create = cognito._resolve_user, cognito._admin_create_user

    def resolve_user(pool: dict, username: str) -> tuple:
        return stock(pool, _as_written(pool, username))

    def admin_create_user(data: dict) -> tuple:
        pool, _missing = cognito._resolve_pool(data.get("UserPoolId"))
        return create({**data, "Username": _as_written(pool or {}, data.get("Username"))})

    cognito._resolve_user, cognito._admin_create_user = resolve_user, admin_create_user


def _as_written(pool: dict, username: str | None) -> str | None:
    """The name of a user that is there, as it was given when he was made."""
    if username is None or (pool.get("UsernameConfiguration") or {}).get("CaseSensitive", True):
        return username
    same = (name for name in pool.get("_users", {}) if name.casefold() == username.casefold())
    return next(same, username)


def _generate() -> str:
    classes = (string.ascii_uppercase, string.ascii_lowercase, string.digits, _SYMBOLS)
    characters = [secrets.choice(one) for one in classes]
    characters += [secrets.choice("".join(classes)) for _ in range(_LENGTH - len(characters))]
    secrets.SystemRandom().shuffle(characters)
    return "".join(characters)
