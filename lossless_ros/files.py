"""Write files and folders so that at any time there is the old one, or the whole new one."""

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from lossless_ros.errors import LosslessError


def temporary_path(path: Path, suffix: str = ".part") -> Path:
    """Return this process's hidden temporary name next to `path`."""
    return path.with_name(f".{path.name}.{os.getpid()}{suffix}")


def check_writable(path: Path) -> None:
    """Check that a file can be written, before the work whose result it gets; its folder is made.

    Raises:
        LosslessError: it cannot.
    """
    try:
        if path.is_dir():
            raise IsADirectoryError(None, "it is a folder")
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_file():
            path.open("ab").close()
        elif not path.exists():
            probe = temporary_path(path, ".probe")
            probe.touch()
            probe.unlink()
    except OSError as error:
        raise LosslessError(f"cannot write {path}: {error.strerror}") from None


def check_folder_writable(path: Path) -> None:
    """Check that files can be written into a folder, which is made.

    Raises:
        LosslessError: they cannot.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LosslessError(f"cannot write into {path}: {error.strerror}") from None
    check_writable(path / "probe")


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file under a temporary name and rename it.

    Raises:
        LosslessError: it cannot be written; nothing is left behind.
    """
    part = temporary_path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise LosslessError(f"cannot write {path}: {error.strerror}") from None


def remove_stale_parts(path: Path) -> None:
    """Remove what killed processes left of `atomic_folder(path)`."""
    for part in path.parent.glob(f".{path.name}.*.part"):
        process = re.fullmatch(rf"\.{re.escape(path.name)}\.(\d+)\.part", part.name)
        if process and not Path("/proc", process[1]).exists():
            shutil.rmtree(part, ignore_errors=True)


@contextlib.contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a new folder to fill; it becomes `path` when the block ends without an error, else it is removed.

    Raises:
        OSError: a file or the folder cannot be written, or `path` exists.
    """
    part = temporary_path(path)
    shutil.rmtree(part, ignore_errors=True)
    folder = part / path.name
    folder.mkdir(parents=True)
    try:
        yield folder
        os.rename(folder, path)
    finally:
        shutil.rmtree(part, ignore_errors=True)
