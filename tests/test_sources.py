from pathlib import Path

import pytest

import ganzoo
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
        ("local-dir:a@b", "folder", "a@b"),
        ("hf-hub:someone/model", "hub", "someone/model"),
        ("hf://someone/model", "hub", "someone/model"),
        ("hf-hub:some-one_2/M.o-d_el.3", "hub", "some-one_2/M.o-d_el.3"),
        ("hf-hub:9lives/x", "hub", "9lives/x"),
    ],
)
def test_what_a_source_means(given, kind, value):
    assert parse_source(given) == Source(kind, value)


@pytest.mark.parametrize(
    ("given", "revision", "expected"),
    [
        ("dcgan-mnist@v1.0", None, Source("name", "dcgan-mnist", "v1.0")),
        ("dcgan-mnist", "v1.0", Source("name", "dcgan-mnist", "v1.0")),
        ("plugin/name@main", None, Source("name", "plugin/name", "main")),
        ("hf-hub:org/name@main", None, Source("hub", "org/name", "main")),
        ("hf-hub:org/name@main", "main", Source("hub", "org/name", "main")),
        ("hf-hub:org/name@refs/pr/3", None, Source("hub", "org/name", "refs/pr/3")),
        ("hf-hub:org/name@feature/a+b", None, Source("hub", "org/name", "feature/a+b")),
        ("hf://org/name", "0" * 40, Source("hub", "org/name", "0" * 40)),
    ],
)
def test_a_revision_is_given_in_either_place(given, revision, expected):
    assert parse_source(given, revision) == expected


@pytest.mark.parametrize(
    "repository",
    [
        *(
            "",
            "name",
            "a/b/c",
            "/b",
            "a/",
            "a//b",
            "a b/c",
            "-a/b",
            "a/b-",
            "a/.b",
            "a/b.",
            "a--b/c",
            "a/b..c",
            "a/b.git",
        ),
        *(
            "a/" + "b" * 97,
            "../b",
            "a/..",
            "größe/x",
            "a/b\n",
            "a\0/b",
            "a/b:c",
            "a\\b/c",
            "C:/x",
            "datasets/a/b",
            "a/b?c",
        ),
    ],
)
@pytest.mark.parametrize("prefix", ["hf-hub:", "hf://"])
def test_what_is_no_repository_is_refused(prefix, repository):
    with pytest.raises(SourceError, match="names no repository on the Hugging Face Hub; it takes ORG/NAME"):
        parse_source(prefix + repository)


@pytest.mark.parametrize(
    "revision",
    [
        *("", " ", "..", "a/../b", "../../x", "/a", "a/", "a//b", "-a", ".a", "a/.b", "a b", "a@b", "a:b", "a~1", "a^"),
        *("a\n", "a\0", "größe", "x" * 300, "a\\b", "a/" * 20 + "a", "a?b", "a*", "a[0]", "%2e%2e"),
    ],
)
def test_what_is_no_revision_is_refused(revision):
    for given in (f"hf-hub:org/name@{revision}", f"mlp-ring@{revision}"):
        with pytest.raises(SourceError, match="names no revision; it takes a branch, a tag or a commit"):
            parse_source(given)
    with pytest.raises(SourceError, match="names no revision; it takes a branch, a tag or a commit"):
        parse_source("hf-hub:org/name", revision)


def test_two_revisions_are_refused():
    with pytest.raises(SourceError, match="'mlp-ring@a' was given with revision='b'; give one of the two"):
        parse_source("mlp-ring@a", "b")


@pytest.mark.parametrize("given", ["local-dir:x", Path("x")])
def test_a_folder_has_no_revision(given):
    with pytest.raises(SourceError, match="the revision 'main' was asked of the folder 'x'; leave it out"):
        parse_source(given, "main")


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


@pytest.mark.parametrize("given", ["1aurent/faces", "org/name.v2", "org/name.v2@main"])
def test_a_repository_s_name_alone_is_refused_with_the_spelling(given):
    with pytest.raises(SourceError, match=f"for the repository on the Hugging Face Hub write 'hf-hub:{given}'"):
        parse_source(given)


def test_what_could_be_either_is_refused_with_both_spellings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("runs/model", "9runs/model"):
        (tmp_path / name).mkdir(parents=True)
        with pytest.raises(SourceError) as refused:
            ganzoo.load(name)
        assert f"write 'hf-hub:{name}'" in str(refused.value)
        assert f"write 'local-dir:{name}'" in str(refused.value)


def test_an_unknown_name_that_could_be_a_repository_says_so():
    with pytest.raises(SourceError, match=r"write 'hf-hub:org/mlp-ring'\. As a name: no pretrained model is named"):
        ganzoo.load("org/mlp-ring")


@pytest.mark.parametrize("given", [None, 3, b"mlp", ["mlp"]])
def test_other_types_are_refused(given):
    with pytest.raises(SourceError, match=f"asked for by a {type(given).__name__}; it takes a name, a path, 'hf-hub"):
        parse_source(given)
