"""The loopback Hub refuses the cards that the Hub refuses."""

import pytest
from loopback_cards import card_data, validate
from loopback_git import git_sha1, ignored, lfs_tracked

RESULTS = """---
model-index:
- name: dcgan
  results:
  - task: {type: unconditional-image-generation}
    dataset: {type: mnist, name: MNIST}
    metrics:
    - {type: fid, value: 6.5}
---
"""


@pytest.mark.parametrize(
    ("card", "errors", "warnings"),
    [
        ("---\nlicense: mit\ntags: [gan]\n---\ntext", 0, 0),
        ("---\nlicense: [mit, cc-by-sa-3.0]\n---\n", 0, 0),
        (RESULTS, 0, 0),
        ("# A card without metadata", 0, 1),
        ("---\n---\n", 0, 1),
        ("---\npipeline_tag: painting\n---\n", 0, 1),
        ("---\nlicense: nonsense\n---\n", 1, 0),
        ("---\nlicense: [mit\n---\n", 1, 0),
        ("---\n- mit\n---\n", 1, 0),
        ("---\ntags: gan\n---\n", 1, 0),
        ("---\ntags: [1]\n---\n", 1, 0),
        ("---\nlibrary_name: [ganzoo]\n---\n", 1, 0),
        (RESULTS.replace("name: dcgan", "title: dcgan"), 1, 0),
        (RESULTS.replace(", name: MNIST", ""), 1, 0),
        (RESULTS.replace(", value: 6.5", ""), 1, 0),
        ("---\nmodel-index: dcgan\n---\n", 1, 0),
    ],
)
def test_metadata(card, errors, warnings):
    assert [len(found) for found in validate(card)] == [errors, warnings]


def test_card_data():
    assert card_data("---\nlicense: mit\ndate: 2026-01-31\n---\n") == {"license": "mit", "date": "2026-01-31"}
    assert card_data("text") == {}


def test_git_rules():
    assert git_sha1(b"") == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"  # as `git hash-object` has it
    assert git_sha1(b"test content\n") == "d670460b4b4aece5915caf5c68d12f560a9fe3e4"
    rules = "*.png filter=lfs -text\nweights/* filter=lfs\nsmall.png -filter\n"
    paths = ("a/b.png", "weights/a.bin", "a.bin", "small.png")
    assert [lfs_tracked(rules, path) for path in paths] == [True, True, False, False]
    assert [ignored("# no\n*.tmp\nruns/\n", path) for path in ("a/b.tmp", "runs/1/x", "a.txt")] == [True, True, False]
