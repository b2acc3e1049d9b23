import pytest

from ganzoo.errors import RegistrationError
from ganzoo.published import PATH, read_published, write_published
from ganzoo.registry import Published

PLACE = Published("someone/ring", "1" * 40, {"config.json": "a" * 64})


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / "published.json"
    write_published({"mlp-ring": PLACE, "a": PLACE}, path)
    assert read_published(path) == {"a": PLACE, "mlp-ring": PLACE}
    assert read_published(path)["a"].sha256 == PLACE.sha256


def test_nothing_is_published_yet():
    assert read_published() == {}
    assert PATH.is_file()


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a": 3}', '{"a": {}}', '{"a": {"repo_id": "x/y", "revision": "m"}}'])
def test_a_damaged_file_is_a_registration_error(tmp_path, text):
    path = tmp_path / "published.json"
    path.write_text(text)
    with pytest.raises(RegistrationError, match="install ganzoo again"):
        read_published(path)
    with pytest.raises(RegistrationError, match="install ganzoo again"):
        read_published(tmp_path / "absent.json")
