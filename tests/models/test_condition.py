import pytest
import torch

from ganzoo.errors import InputError
from ganzoo.models.architecture import Condition, Discriminator, Generator


def test_no_classes_is_no_condition():
    assert Condition.label(0) == Condition() == Condition("none")
    assert Condition.label(3) == Condition("label", 3)


@pytest.mark.parametrize("labels", [[0, 1, 2], [2, 2, 2], []])
def test_fitting_labels_are_taken(labels):
    Condition.label(3).check(torch.tensor(labels, dtype=torch.int64), len(labels))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (None, "needs a label from 0 to 2 for each sample; pass labels"),
        (torch.zeros(2, dtype=torch.int64), "labels have shape (2,) and dtype torch.int64; expected (3,)"),
        (torch.zeros(3, 1, dtype=torch.int64), "labels have shape (3, 1)"),
        (torch.zeros(3), "dtype torch.float32; expected (3,) and torch.int64"),
        (torch.zeros(3, dtype=torch.int32), "dtype torch.int32"),
        (torch.zeros(3, dtype=torch.bool), "dtype torch.bool"),
        (torch.tensor([0, -1, 2]), "labels range from -1 to 2; this model knows 0 to 2"),
        (torch.tensor([0, 1, 3]), "labels range from 0 to 3; this model knows 0 to 2"),
    ],
    ids=str,
)
def test_other_labels_are_refused(labels, message):
    with pytest.raises(InputError) as refused:
        Condition.label(3).check(labels, 3)
    assert message in str(refused.value)


def test_an_unconditional_model_takes_no_labels():
    Condition().check(None, 3)
    with pytest.raises(InputError, match="takes no labels; leave labels out"):
        Condition().check(torch.zeros(3, dtype=torch.int64), 3)


def test_the_bases_ask_for_what_they_lack():
    for call in (Generator().forward, Discriminator().forward, Discriminator().features):
        with pytest.raises(NotImplementedError):
            call(torch.zeros(1))
