from pathlib import Path

import pytest

from ganzoo.errors import SourceError
from ganzoo.sources import Source, parse_source


@pytest.mark.parametrize(
    ("given", "kind", "value"),
    [
        ("dcgan-mnist", "name", "dcgan-mnist"),
        ("dcgan_mnist", "name", "dcgan_mnist"),
        ("_x9", "name", "_x9"),
        ("plugin/name", "name", "plugin/name"),
        ("my-plugin/a-name", "name", "my-plugin/a-name"),
        ("local-dir:runs/1/model", "folder", "runs/1/model"),
        ("local-dir:/abs", "folder", "/abs"),
        ("local-dir:hf-hub:odd", "folder", "hf-hub:odd"),
        ("local-dir:.", "folder", "."),
        (Path("runs/1/model"), "folder", "runs/1/model"),
        (Path("dcgan-mnist"), "folder", "dcgan-mnist"),
    ],
)
def test_what_a_source_means(given, kind, value):
    assert parse_source(given) == Source(kind, value)


@pytest.mark.parametrize(
    "given",
    [
        *("", " ", "/abs", "./x", "../x", "a/b/c", "a//b", "/a", "a/", "9lives", "-x", "a b", "a.b", "mlp "),
        *("a\nb", "mlp\n", "nul\0", "größe", "x" * 5000 + "!", "sur\ud800", "C:\\x", "https://example.org/x"),
    ],
)
def test_what_is_no_source_is_refused(given):
    with pytest.raises(SourceError, match="is no model's name; see 'ganzoo list --kind pretrained'") as refused:
        parse_source(given)
    str(refused.value).encode()


def test_a_folder_s_path_is_named_as_one(tmp_path):
    with pytest.raises(SourceError, match=f"for the folder of this path write 'local-dir:{tmp_path}'"):
        parse_source(str(tmp_path))


@pytest.mark.parametrize("given", ["hf-hub:someone/model", "hf://someone/model"])
def test_the_hub_is_not_there_yet(given):
    with pytest.raises(SourceError, match="download the folder and load 'local-dir:PATH'"):
        parse_source(given)


@pytest.mark.parametrize("given", [None, 3, b"mlp", ["mlp"]])
def test_other_types_are_refused(given):
    with pytest.raises(SourceError, match=f"asked for by a {type(given).__name__}; it takes a name, a path or"):
        parse_source(given)
