"""Certificates for tests: an authority of one's own, and a server's signed by it, made by openssl."""

import os
import shutil
import subprocess
from pathlib import Path

DAYS = "2"


def unavailable() -> str | None:
    """Return why none can be made here, or None."""
    return None if shutil.which("openssl") else "openssl is not on PATH"


def make_authority(directory: Path, name: str) -> Path:
    """Make NAME.crt and NAME.key; return the certificate."""
    certificate = directory / f"{name}.crt"
    request = ["-x509", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-days", DAYS]
    _openssl(directory, "req", *request, "-keyout", f"{name}.key", "-out", certificate.name)
    return certificate


def make_server(directory: Path, authority: str, host: str) -> tuple[Path, Path]:
    """Make the certificate of a host, signed by that authority; return it, and its key."""
    key, request, certificate = (directory / f"{host}.{kind}" for kind in ("key", "csr", "crt"))
    asked = ["-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={host}", "-keyout", key.name]
    name = ["-addext", f"subjectAltName=DNS:{host}"]
    _openssl(directory, "req", *asked, *name, "-out", request.name)
    signed = ["-in", request.name, "-CA", f"{authority}.crt", "-CAkey", f"{authority}.key", "-CAcreateserial"]
    kept = ["-copy_extensions", "copy", "-days", DAYS, "-out", certificate.name]
    _openssl(directory, "x509", "-req", *signed, *kept)
    return certificate, key


def _openssl(directory: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True, env=os.environ)
