"""The packages that only some rooms need, and the extra of `one-writer` that brings them."""

from importlib.util import find_spec


def need(*packages: str, extra: str, by: str) -> None:
    """Raise ModuleNotFoundError, which says what to install, unless all of them are there."""
    for package in packages:
        if find_spec(package) is None:
            raise ModuleNotFoundError(
                f"{by} needs {package}, which is not installed: pip install 'one-writer[{extra}]'.",
                name=package,
            )
