"""Files that are whole or absent: written beside their place, flushed to disk, then renamed into it."""

import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ganzoo.errors import OutputError


@contextmanager
def writing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path beside `path`; on a clean exit flush it and rename it to `path`.

    Missing parent folders are made. If the body raises, nothing is left behind and `path` is as it was. The finished
    file has the modes that the umask asks for, also when a library wrote it with narrower ones.

    Args:
        path: Where the file shall be.

    Raises:
        OutputError: The file or its folder cannot be written.
    """
    target = Path(path)
    temporary = target.with_name(f".{target.name}.tmp-{os.getpid()}-{secrets.token_hex(4)}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        flush_file(temporary)
        temporary.replace(target)
        flush_folder(target.parent)
    except OSError as error:
        raise OutputError(f"cannot write {str(target)!r}: {error.strerror or error}; choose another place") from error
    finally:
        with suppress(OSError):  # nothing to remove, or no folder where it could be
            temporary.unlink()


@contextmanager
def replacing_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give an empty temporary folder beside `path`; on a clean exit let it take the place of `path`.

    If the body raises, nothing is left behind and `path` is as it was. A process that is killed leaves the old folder
    or the new one, or, between two renames, none.

    Args:
        path: Where the folder shall be, or is.

    Raises:
        OutputError: The folder cannot be written.
    """
    target = Path(path)
    temporary, former = (target.with_name(f"{target.name}.tmp-{os.getpid()}-{secrets.token_hex(4)}") for _ in range(2))
    try:
        temporary.mkdir(parents=True)
        yield temporary
        flush_folder(temporary)
        if target.exists():
            target.rename(former)
        temporary.rename(target)
        flush_folder(target.parent)
    except OSError as error:
        raise OutputError(f"cannot write {str(target)!r}: {error.strerror or error}; choose another place") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(former, ignore_errors=True)


def write_bytes(path: str | os.PathLike[str], content: bytes) -> None:
    """Write `content` to `path`, whole or not at all.

    Raises:
        OutputError: The file cannot be written.
    """
    with writing(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: str | os.PathLike[str], content: str) -> None:
    """Write `content` to `path` as UTF-8, whole or not at all.

    Raises:
        OutputError: The file cannot be written.
    """
    write_bytes(path, content.encode())


def is_folder(path: str | os.PathLike[str]) -> bool:
    """Tell whether a folder is there; false too for a path that is too long or may not be looked at."""
    try:
        return Path(path).expanduser().is_dir()
    except (OSError, RuntimeError):  # RuntimeError: no such user's home
        return False


def is_file(path: str | os.PathLike[str]) -> bool:
    """Tell whether a file is there; false too for a path that is too long or may not be looked at."""
    try:
        return Path(path).is_file()
    except OSError:
        return False


def from_home(path: str | os.PathLike[str]) -> Path:
    """Return a path with `~` at its beginning replaced by the home folder, where there is one."""
    try:
        return Path(path).expanduser()
    except RuntimeError:  # no such user's home
        return Path(path)


def cache_folder() -> Path:
    """Return where lies what can be made again; it need not exist.

    That is `$GANZOO_CACHE`, or else `ganzoo` under `$XDG_CACHE_HOME` or `~/.cache`.

    Raises:
        OutputError: It would be in a home, and there is none.
    """
    chosen = os.environ.get("GANZOO_CACHE")
    home = os.environ.get("XDG_CACHE_HOME")
    try:
        if chosen:
            return Path(chosen).expanduser()
        return (Path(home) if home else Path.home() / ".cache") / "ganzoo"
    except RuntimeError as error:
        raise OutputError(
            f"there is no home to keep a cache in ({error}); set GANZOO_CACHE to a folder that can be written"
        ) from error


def is_alive(process: int) -> bool:
    """Tell whether another process has this number."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return process != os.getpid()


def sha256(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a file's content as 64 hex digits."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def flush_file(path: Path) -> None:
    """Give a finished file the modes of the umask, and flush it to disk."""
    umask = os.umask(0)
    os.umask(umask)
    path.chmod(0o666 & ~umask)
    with path.open("rb") as file:
        os.fsync(file.fileno())


def flush_folder(path: Path) -> None:
    """Flush a folder's entries to disk, so that a rename in it survives a power loss."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
