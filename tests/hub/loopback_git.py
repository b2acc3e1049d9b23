"""What the Hub takes from git: names of blobs, LFS pointers, ``.gitattributes`` and ``.gitignore``."""

import hashlib
from fnmatch import fnmatch
from pathlib import PurePosixPath

GITATTRIBUTES = "".join(
    f"*.{suffix} filter=lfs diff=lfs merge=lfs -text\n" for suffix in ("bin", "gz", "npz", "png", "safetensors", "zip")
)


def git_sha1(content: bytes) -> str:
    """Return the name git gives to a blob of this content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def lfs_pointer(sha256: str, size: int) -> bytes:
    """Return the text that git keeps in place of an LFS file."""
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n".encode()


def lfs_tracked(gitattributes: str, path: str) -> bool:
    """Return whether the rules of a ``.gitattributes`` give ``path`` to LFS; the last rule that fits decides."""
    tracked = False
    for line in gitattributes.splitlines():
        pattern, *attributes = line.split() or [""]
        name = path if "/" in pattern else PurePosixPath(path).name
        if pattern and not pattern.startswith("#") and fnmatch(name, pattern):
            for attribute in attributes:
                if attribute == "filter=lfs" or attribute in ("-filter", "!filter"):
                    tracked = attribute == "filter=lfs"
    return tracked


def ignored(gitignore: str, path: str) -> bool:
    """Return whether a line of a ``.gitignore`` names ``path`` or a folder above it."""
    parts = PurePosixPath(path).parts
    whole = ["/".join(parts[:end]) for end in range(1, len(parts) + 1)]
    for line in gitignore.splitlines():
        pattern = line.strip().rstrip("/")
        if pattern and not pattern.startswith("#"):
            names = whole if "/" in pattern else parts
            if any(fnmatch(name, pattern.lstrip("/")) for name in names):
                return True
    return False
