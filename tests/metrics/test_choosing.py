from dataclasses import replace

import pytest
import torch

from ganzoo.data.loading import open_data
from ganzoo.data.toy import ring
from ganzoo.errors import InputError
from ganzoo.metrics.choosing import Choice, choose
from ganzoo.models.condition import Condition


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("FCD", Choice("frechet")),
        ("frechet", Choice("frechet")),
        ("fcd [judge-mnist]", Choice("frechet", "judge-mnist")),
        ("FID[inception-v3-compat]", Choice("frechet", "inception-v3-compat")),
        ("class KL[judge-mnist-b]", Choice("class_divergence", "judge-mnist-b")),
        ("label-accuracy", Choice("label_accuracy")),
        ("recall", Choice("recall")),
    ],
)
def test_a_number_is_known_by_its_title_and_its_key_in_any_spelling(digits, text, choice):
    assert choose(text, digits, Condition()) == choice


def test_only_the_metric_that_gives_the_number_is_asked_for(digits):
    asked = {text: choose(text, digits, Condition()).metrics for text in ("FCD", "KID", "recall", "label accuracy")}
    assert asked == {
        "FCD": ["frechet"],
        "KID": ["kid"],
        "recall": ["precision-recall"],
        "label accuracy": ["classes"],
    }
    assert choose("high quality", ring(), Condition()).metrics is None


def test_translations_are_told_apart_by_their_targets_and_unpaired_data_has_none():
    drawn, made = torch.randint(0, 256, (2, 4, 3, 8, 8), dtype=torch.uint8)
    pairs, of_pictures = open_data((made, drawn)), Condition.image((3, 8, 8))
    assert choose("absolute error", pairs, of_pictures) == Choice("absolute_error")
    with pytest.raises(InputError, match="nothing that ganzoo measures fits such data, so leave best_by out"):
        choose("absolute error", replace(pairs, paired=False), of_pictures)
