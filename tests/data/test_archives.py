"""Archives that are damaged, hostile or odd."""

import gzip
import io
import random
import struct
import subprocess
import sys
import tarfile
import tracemalloc
import zipfile
from pathlib import Path

import pytest
import torch
from mutations import of_bytes
from picture_files import encoded, noise, write_tar, write_zip

import ganzoo
from ganzoo.data import archives, shelves
from ganzoo.data.arrays import table_from_arrays
from ganzoo.data.loading import open_data
from ganzoo.data.npz import write_npz
from ganzoo.errors import DataError

FILES = {f"{i}.png": encoded(noise(i)) for i in range(3)}
WRITERS = {"tar": write_tar, "zip": write_zip}


def everything_below(folder):
    return sorted(str(path) for path in folder.rglob("*"))


@pytest.mark.parametrize("kind", ["tar", "zip"])
@pytest.mark.parametrize("name", ["../out.png", "/tmp/out.png", "a/../../out.png", "..", "a/.."])
def test_names_that_lead_out_are_refused_and_nothing_is_written(tmp_path, kind, name):
    path = WRITERS[kind](tmp_path / f"a.{kind}", FILES | {name: FILES["0.png"]})
    before = everything_below(tmp_path)
    with pytest.raises(DataError, match="which leads out of the archive"):
        open_data(path)
    assert everything_below(tmp_path) == before


@pytest.mark.parametrize("kind", ["tar", "zip"])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_is_there_twice_is_refused(tmp_path, kind):
    path = WRITERS[kind](tmp_path / f"a.{kind}", FILES)
    if kind == "tar":
        with tarfile.open(path, "a") as archive:
            archive.addfile(tarfile.TarInfo("./0.png"))
    else:
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr("0.png", b"")
    with pytest.raises(DataError, match=r"has the member '0\.png' twice"):
        open_data(path)


def test_links_and_devices_are_passed_over_and_counted(tmp_path, caplog):
    path = write_tar(tmp_path / "a.tar", FILES)
    kinds = (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE)
    with tarfile.open(path, "a") as archive:
        for i, kind in enumerate(kinds):
            member = tarfile.TarInfo(f"z{i}.png")
            member.type, member.linkname = kind, "/etc/passwd"
            archive.addfile(member)
    assert len(open_data(path)) == 3
    assert "5 other files passed over, such as 'z0.png'" in caplog.text
    caplog.clear()
    path = write_zip(tmp_path / "a.zip", FILES)
    with zipfile.ZipFile(path, "a") as archive:
        for i, mode in enumerate((0o120777, 0o020666, 0o060666, 0o010666)):
            member = zipfile.ZipInfo(f"z{i}.png")
            member.external_attr = mode << 16
            archive.writestr(member, "/etc/passwd")
    assert len(open_data(path)) == 3
    assert "4 other files passed over, such as 'z0.png'" in caplog.text


@pytest.mark.parametrize("kind", ["tar", "zip"])
@pytest.mark.parametrize("name", ["x/" * 65 + "0.png", "x" * 4093 + ".png", "x/" * 30_000 + "0.png"])
def test_names_that_are_too_long_or_too_deep_are_refused_at_once(tmp_path, kind, name):
    path = WRITERS[kind](tmp_path / f"a.{kind}", {name: FILES["0.png"]})
    tracemalloc.start()
    with pytest.raises(DataError, match=r"has a member whose name, 'xx?.* and so on, has [\d,]+ characters") as raised:
        open_data(path)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(str(raised.value)) < 500 + len(str(path))
    assert most < 10_000_000  # the names of all folders around the last one have 900,000,000 characters


@pytest.mark.parametrize("kind", ["tar", "zip"])
@pytest.mark.parametrize("name", ["x/" * 64 + "0.png", "x" * 4092 + ".png"])
def test_names_that_are_just_short_enough(tmp_path, kind, name):
    assert len(open_data(WRITERS[kind](tmp_path / f"a.{kind}", {name: FILES["0.png"]}))) == 1


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_too_many_folders_in_an_archive(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(shelves, "MAX_FOLDERS", 2)
    path = WRITERS[kind](tmp_path / f"a.{kind}", {"a/b/c/0.png": FILES["0.png"]})
    with pytest.raises(DataError, match="has more than 2 folders; give a smaller archive"):
        open_data(path)


def bomb(path, kind, size):
    """Write an archive that holds zeros and hardly anything else."""
    block = b"\0" * 2**20
    if kind == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for i in range(4):
                with archive.open(f"{i}.png", "w", force_zip64=True) as member:
                    for _ in range(size // len(block) // 4):
                        member.write(block)
        return path
    with tarfile.open(path, f"w:{kind}") as archive:
        for i in range(4):
            member = tarfile.TarInfo(f"{i}.png")
            member.size = size // 4
            archive.addfile(member, io.BytesIO(b"\0" * member.size))
    return path


@pytest.mark.parametrize("kind", ["zip", "gz", "bz2", "xz"])
def test_bombs_are_refused_before_they_are_unpacked(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(archives, "SMALL_BYTES", 2**20)
    path = bomb(tmp_path / f"a.{'zip' if kind == 'zip' else 'tar.' + kind}", kind, 2**24)
    assert 2**24 / path.stat().st_size > 900
    with pytest.raises(DataError, match="would unpack to more than 200 times its size"):
        open_data(path)


def huge_header(path, size):
    """Write a compressed archive whose first extended header says that it has so many bytes, and has them."""
    member = tarfile.TarInfo("x")
    member.type, member.size = tarfile.XHDTYPE, size
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        archive.fileobj.write(member.tobuf(tarfile.PAX_FORMAT))
        for _ in range(size // 2**20):
            archive.fileobj.write(b"\0" * 2**20)
    return path


def test_headers_as_large_as_memory_are_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MAX_FILE_BYTES", 2**20)
    with pytest.raises(DataError, match="a part of it has 4,194,304 bytes"):
        open_data(huge_header(tmp_path / "a.tar.gz", 2**22))


def test_too_many_members(tmp_path, monkeypatch):
    monkeypatch.setattr(shelves, "MAX_FILES", 2)
    for kind, write in WRITERS.items():
        with pytest.raises(DataError, match="has more than 2 members; give a smaller archive"):
            open_data(write(tmp_path / f"a.{kind}", FILES))


def test_a_list_of_members_too_long_to_be_read(tmp_path, monkeypatch):
    path = write_zip(tmp_path / "a.zip", FILES)
    monkeypatch.setattr(archives, "MAX_DIRECTORY_BYTES", 100)
    with pytest.raises(DataError, match=r"has a list of members of \d+ bytes"):
        open_data(path)
    content = path.read_bytes()
    at = content.rindex(b"PK\5\6")
    path.write_bytes(content[: at + 12] + b"\xff" * 4 + content[at + 16 :])  # as if the long form stated it
    with pytest.raises(DataError, match="has a list of members of"):
        open_data(path)


@pytest.mark.parametrize("is_just_before", [True, False])
def test_the_long_form_of_the_end_states_a_list_too_long(tmp_path, monkeypatch, is_just_before):
    path = write_zip(tmp_path / "a.zip", FILES)
    monkeypatch.setattr(archives, "MAX_DIRECTORY_BYTES", 1000)
    assert len(open_data(path)) == 3
    content = path.read_bytes()
    at = content.rindex(b"PK\5\6")
    long_form = struct.pack("<4sQHHLLQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, 3, 3, 1001, 0)
    between = b"" if is_just_before else b"x" * 9
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, at, 1)
    path.write_bytes(content[:at] + long_form + between + locator + content[at:])
    with pytest.raises(DataError, match="has a list of members of 1,001 bytes"):
        open_data(path)


def test_the_long_form_of_the_end_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 1)  # so that it is written
    path = write_zip(tmp_path / "a.zip", FILES)
    assert b"PK\6\6" in path.read_bytes()
    assert len(open_data(path)) == 3


@pytest.mark.faults
def test_a_million_members_are_refused(tmp_path):
    with gzip.open(tmp_path / "a.tar.gz", "wb", compresslevel=1) as file:
        for i in range(1_000_001):
            file.write(tarfile.TarInfo(f"{i}.png").tobuf())
    with pytest.raises(DataError, match=r"has more than 1,000,000 members|more than 200 times its size"):
        open_data(tmp_path / "a.tar.gz")


MEASURED = """
import resource, sys
from ganzoo.data.arrays import table_from_arrays
from ganzoo.data.loading import open_data
from ganzoo.data.npz import write_npz
from ganzoo.errors import DataError
import PIL.Image, tqdm
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in sys.argv[1:]:
    try:
        open_data(path)
    except DataError as error:
        print(error)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def refusals_and_growth(paths):
    """Open archives in another process; return what it says, and by how many kB its memory grew."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *map(str, paths)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(ganzoo.__file__).parents[1],
    )
    *said, grown = done.stdout.splitlines()
    return said, int(grown)


@pytest.mark.slow
def test_a_bomb_of_a_thousand_to_one_takes_no_memory(tmp_path):
    paths = [bomb(tmp_path / f"a.{kind}", kind.rpartition(".")[2], 2**30) for kind in ("zip", "tar.gz")]
    said, grown = refusals_and_growth(paths)
    assert [line.count("would unpack to more than 200 times") for line in said] == [1, 1]
    assert grown < 100_000


def liar(path, name, content, method, stated):
    """Write a zip archive of one member, whose headers state another size than it has."""
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr(name, content)
    whole = bytearray(path.read_bytes())
    for at in (whole.index(b"PK\3\4") + 22, whole.rindex(b"PK\1\2") + 24):
        whole[at : at + 4] = stated.to_bytes(4, "little")
    path.write_bytes(whole)
    return path


METHODS = {"deflate": zipfile.ZIP_DEFLATED, "bzip2": zipfile.ZIP_BZIP2, "lzma": zipfile.ZIP_LZMA}


@pytest.mark.slow
def test_members_that_lie_about_their_size_take_no_memory(tmp_path):
    zeros = b"\0" * 2**28
    paths = [
        liar(tmp_path / f"{kind}.{suffix}", name, zeros, method, 1000)
        for kind, method in METHODS.items()
        for suffix, name in (("zip", "0.png"), ("npz", "samples.npy"))
    ]
    said, grown = refusals_and_growth(paths)
    assert len(said) == len(paths)
    assert grown < 100_000


@pytest.mark.parametrize(
    ("kind", "stated", "message"),
    [
        ("deflate", -1, r"'0\.png' cannot be read from .*Bad CRC-32"),
        ("deflate", 1, r"the member '0\.png' has \d+ bytes, not the \d+ that the archive states"),
        ("bzip2", 0, r"'0\.png' is compressed by method 12; make the archive anew with its members stored or deflated"),
        ("lzma", 0, r"'0\.png' is compressed by method 14"),
    ],
)
def test_members_of_another_size_or_method_are_refused(tmp_path, kind, stated, message):
    content = FILES["0.png"]
    path = liar(tmp_path / "a.zip", "0.png", content, METHODS[kind], len(content) + stated)
    with pytest.raises(DataError, match=message):
        open_data(path)


@pytest.mark.parametrize(("kind", "number"), [("bzip2", 12), ("lzma", 14)])
def test_arrays_of_another_method_are_refused(tmp_path, kind, number):
    write_npz(table_from_arrays(torch.zeros(4, 3, 3, dtype=torch.uint8)), tmp_path / "a.npz")
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        content = archive.read("samples.npy")
    path = liar(tmp_path / "b.npz", "samples.npy", content, METHODS[kind], len(content))
    with pytest.raises(DataError, match=rf"'samples\.npy' is compressed by method {number}"):
        open_data(path)


def test_encrypted_members_are_listed_as_unreadable(tmp_path):
    path = write_zip(tmp_path / "a.zip", FILES)
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"'0.png' is encrypted; make the archive anew without a password"):
        open_data(path)


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_a_damaged_archive_is_refused_wherever_it_ends(tmp_path, kind):
    path = WRITERS[kind](tmp_path / f"a.{kind}", FILES)
    whole = path.read_bytes()
    end = len(whole.rstrip(b"\0")) + 1 if kind == "tar" else len(whole)
    for length in range(0, end, 97):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match=rf"a\.{kind}"):
            open_data(path)


def test_what_is_no_archive_is_told(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"hello")
    with pytest.raises(DataError, match=r"a.zip' is neither a zip nor a tar archive"):
        open_data(tmp_path / "a.zip")


def test_the_name_of_an_archive_does_not_matter(tmp_path):
    path = write_zip(tmp_path / "a.tar", FILES)
    assert len(open_data(path)) == 3
    assert len(open_data(f"pictures:{path.rename(tmp_path / 'data')}")) == 3


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "zip", "npz"])
@pytest.mark.parametrize(
    "seeds", [pytest.param(range(40), id="few"), pytest.param(range(500), id="all", marks=pytest.mark.faults)]
)
@pytest.mark.filterwarnings("ignore")
def test_mutated_archives_are_read_or_refused(tmp_path, kind, seeds):
    files = {f"{i}.png": encoded(noise(i, 3, 3)) for i in range(4)}
    path = tmp_path / f"a.{kind}"
    if kind == "npz":
        write_npz(table_from_arrays(torch.zeros(4, 3, 3, dtype=torch.uint8), [0, 1, 2, 0]), path)
    elif kind == "zip":
        write_zip(path, files)
    else:
        write_tar(path, files, "w:gz" if kind == "tar.gz" else "w")
    whole, outcomes = path.read_bytes(), set()
    for seed in seeds:
        path.write_bytes(of_bytes(whole, random.Random(seed)))
        try:
            outcomes.add(len(open_data(path if kind == "npz" else f"pictures,unreadable=0.9:{path}")))
        except DataError:
            outcomes.add("refused")
    assert "refused" in outcomes
