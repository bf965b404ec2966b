"""The secret key, made once and kept beside the data."""

import secrets
from pathlib import Path

from project.environment import InvalidEnvironment


def load_or_create(data_dir: Path) -> str:
    """Return the key in `data_dir/secret-key`, making it (0600) when there is none.

    Two processes that start at once get the same key: the file appears under its name complete, by a link
    that fails for the second, which then reads the first one's.
    Raises InvalidEnvironment.
    """
    path = data_dir / "secret-key"
    try:
        if not path.exists():
            _create(path)
        key = path.read_text().strip()
    except OSError as exc:
        raise InvalidEnvironment(
            f"SECRET_KEY is unset and {str(path)!r} cannot be used: {exc.strerror}. Make room or give this "
            "user access, or set SECRET_KEY."
        ) from exc
    if not key:
        raise InvalidEnvironment(f"{str(path)!r} is empty: remove it, and a new key is made.")
    return key


def _create(path: Path) -> None:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(50))
        path.hardlink_to(draft)
    except FileExistsError:
        pass
    finally:
        draft.unlink(missing_ok=True)
