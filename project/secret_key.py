"""The secret key, made once and kept beside the data."""

import secrets
from pathlib import Path


def load_or_create(data_dir: Path) -> str:
    """Return the key in `data_dir/secret-key`, making it (0600) when there is none.

    Two processes that start at once get the same key: the file appears under its name complete, by a link
    that fails for the second, which then reads the first one's.
    """
    path = data_dir / "secret-key"
    if not path.exists():
        data_dir.mkdir(parents=True, exist_ok=True)
        draft = data_dir / f".secret-key.{secrets.token_hex(8)}"
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(50))
        try:
            path.hardlink_to(draft)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text().strip()
