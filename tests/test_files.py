import hashlib
import os

import pytest

from ganzoo import files
from ganzoo.errors import OutputError


def test_a_file_is_written_with_its_folders(tmp_path):
    path = tmp_path / "a" / "b" / "file.txt"
    files.write_text(path, "größe\n")
    assert path.read_bytes() == "größe\n".encode()
    assert [each.name for each in path.parent.iterdir()] == ["file.txt"]


def test_a_file_is_replaced_whole(tmp_path):
    path = tmp_path / "file"
    files.write_bytes(path, b"old and longer")
    files.write_bytes(str(path), b"new")
    assert path.read_bytes() == b"new"


def test_what_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")

    def fail():
        with files.writing(path) as temporary:
            temporary.write_text("half")
            raise KeyError("halfway")

    with pytest.raises(KeyError):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["plain/below", "plain/far/below", "folder", "n" * 300])
def test_a_place_that_cannot_be_is_an_output_error(tmp_path, name):
    (tmp_path / "plain").write_text("a regular file")
    (tmp_path / "folder").mkdir()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(OutputError, match=r"cannot write .*choose another place"):
        files.write_text(tmp_path / name, "text")
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(("umask", "mode"), [(0o077, 0o600), (0o022, 0o644), (0o002, 0o664)])
def test_modes_are_the_umask_s(tmp_path, umask, mode):
    path, old = tmp_path / "file", os.umask(umask)
    try:
        with files.writing(path) as temporary:
            temporary.touch(mode=0o600)
    finally:
        os.umask(old)
    assert path.stat().st_mode & 0o777 == mode


def test_sha256_of_a_file(tmp_path):
    (tmp_path / "file").write_bytes(b"content")
    assert files.sha256(tmp_path / "file") == hashlib.sha256(b"content").hexdigest()


@pytest.mark.parametrize(
    "name", ["absent", "plain", "plain/below", "n" * 5000, "nul\0", "sur\ud800rogate", "~nobody-here"]
)
def test_no_folder_is_there(tmp_path, monkeypatch, name):
    (tmp_path / "plain").touch()
    monkeypatch.chdir(tmp_path)
    assert not files.is_folder(name)
    assert files.is_folder(tmp_path)


def test_a_folder_is_replaced_whole(tmp_path):
    path = tmp_path / "above" / "folder"
    for content in ("old", "new"):
        with files.replacing_folder(path) as temporary:
            (temporary / content).write_text(content)
    assert [each.name for each in path.iterdir()] == ["new"]
    assert [each.name for each in path.parent.iterdir()] == ["folder"]


def test_what_fails_leaves_the_old_folder_and_nothing_else(tmp_path):
    path = tmp_path / "folder"
    path.mkdir()
    (path / "old").write_text("old")

    def fail(error):
        with files.replacing_folder(path) as temporary:
            (temporary / "half").write_text("half")
            raise error

    with pytest.raises(KeyError):
        fail(KeyError("halfway"))
    with pytest.raises(OutputError, match=r"cannot write .*folder.*: halfway"):
        fail(OSError("halfway"))
    assert [each.name for each in path.iterdir()] == ["old"]
    assert list(tmp_path.iterdir()) == [path]


def test_a_cache_in_a_home_that_is_not_there_is_an_output_error(monkeypatch):
    monkeypatch.setenv("GANZOO_CACHE", "~nobody-of-this-name/cache")
    with pytest.raises(OutputError, match=r"no home to keep a cache in .*; set GANZOO_CACHE to a folder"):
        files.cache_folder()
