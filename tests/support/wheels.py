"""Made-up wheels: a folder of packages that hold nothing but their metadata, for pip to find."""

import base64
import hashlib
import zipfile
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

NEWER = "9999"


def write_wheel(folder: Path, name: str, version: str, requirements: Iterable[str] = ()) -> str:
    """Write a wheel that asks for `requirements`, and return its SHA-256.

    The format is that of the Python packaging user guide, "Binary distribution format".
    """
    stem = f"{name.replace('-', '_')}-{version}"
    extras = sorted({extra for line in requirements for extra in _extras(line)})
    files = {
        "METADATA": "\n".join([
            "Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}",
            *(f"Requires-Dist: {line}" for line in requirements), *(f"Provides-Extra: {extra}" for extra in extras), "",
        ]),
        "WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }  # fmt: skip
    path = folder / f"{stem}-py3-none-any.whl"
    records = [f"{stem}.dist-info/RECORD,,"]
    with zipfile.ZipFile(path, "w") as wheel:
        for file, text in files.items():
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
            records.append(f"{stem}.dist-info/{file},sha256={digest},{len(text)}")
            wheel.writestr(_entry(f"{stem}.dist-info/{file}"), text)
        wheel.writestr(_entry(f"{stem}.dist-info/RECORD"), "\n".join(records))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _entry(name: str) -> zipfile.ZipInfo:
    """Return an entry of a fixed date, so that the same wheel has the same hash whenever it is written."""
    return zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))


def write_twins(folder: Path, name: str, version: str) -> str:
    """Write a locked package with the real one's requirements, and a newer release of it; return the first's hash."""
    requirements = _requirements(name)
    write_wheel(folder, name, NEWER, requirements)
    return write_wheel(folder, name, version, requirements)


def _requirements(name: str) -> list[str]:
    """Return what the installed package asks for; a package that is not for this machine asks for nothing."""
    try:
        return metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return []


def _extras(requirement: str) -> list[str]:
    return [part.split("'")[1] for part in requirement.replace('"', "'").split("extra ==")[1:]]
