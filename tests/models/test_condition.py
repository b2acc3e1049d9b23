import pytest
import torch
from torch import nn

from ganzoo.errors import InputError
from ganzoo.models.architecture import Discriminator, Generator, call, call_features
from ganzoo.models.condition import Condition, as_rows, condition_of

IMAGE = (2, 3, 4)


def test_no_classes_is_no_condition():
    assert Condition.label(0) == Condition() == Condition("none")
    assert Condition.vector(0) == Condition.image((0, 8, 8)) == Condition()
    assert Condition.label(3) == Condition("label", 3)
    assert Condition.vector(3) == Condition("vector", shape=(3,))
    assert Condition.image(IMAGE) == Condition("image", shape=IMAGE)
    assert len({Condition(), Condition.label(3), Condition.vector(3), Condition.image((3, 1, 1))}) == 4


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        (Condition(), "nothing"),
        (Condition.label(3), "a label from 0 to 2"),
        (Condition.vector(5), "a vector of 5 numbers"),
        (Condition.image(IMAGE), "an image of 2x3x4"),
    ],
)
def test_words_for_messages(condition, words):
    assert str(condition) == words


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


@pytest.mark.parametrize(
    "vectors",
    [torch.zeros(3, 2), torch.tensor([[-1e30, 1e30]] * 3), torch.zeros(3, 2).double(), torch.zeros(3, 2).half()],
)
def test_fitting_vectors_are_taken(vectors):
    Condition.vector(2).check(vectors, 3)
    Condition.vector(2).check(vectors[:0], 0)


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        (None, "this model needs a vector of 2 numbers for each sample; pass condition"),
        (
            torch.zeros(3, 3),
            "the condition has shape (3, 3) and dtype torch.float32; expected (3, 2) and a floating-poi",
        ),
        (torch.zeros(2, 2), "the condition has shape (2, 2)"),
        (torch.zeros(2), "the condition has shape (2,)"),
        (torch.zeros(3, 2, 1), "the condition has shape (3, 2, 1)"),
        (torch.zeros(3, dtype=torch.int64), "the condition has shape (3,) and dtype torch.int64"),  # labels
        (torch.zeros(3, 2, dtype=torch.int64), "dtype torch.int64; expected (3, 2) and a floating-point dtype"),
        (torch.zeros(3, 2, dtype=torch.bool), "dtype torch.bool"),
        (torch.full((3, 2), float("nan")), "the condition holds values that are not finite; give finite ones"),
        (torch.tensor([[0.0, 1.0], [0.0, float("inf")], [1.0, 1.0]]), "holds values that are not finite"),
        (torch.tensor([[0.0, 1.0], [0.0, -float("inf")], [1.0, 1.0]]), "holds values that are not finite"),
    ],
    ids=str,
)
def test_other_vectors_are_refused(vectors, message):
    with pytest.raises(InputError) as refused:
        Condition.vector(2).check(vectors, 3)
    assert message in str(refused.value)


@pytest.mark.parametrize("value", [-1, 0, 1, 1.0005, -1.0005])
def test_fitting_images_are_taken(value):
    Condition.image(IMAGE).check(torch.full((3, *IMAGE), value, dtype=torch.float32), 3)
    Condition.image(IMAGE).check(torch.zeros(0, *IMAGE), 0)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (None, "this model needs an image of 2x3x4 for each sample; pass the images"),
        (
            torch.zeros(3, 2, 4, 3),
            "the condition has shape (3, 2, 4, 3) and dtype torch.float32; expected (3, 2, 3, 4)",
        ),
        (torch.zeros(3, 1, 3, 4), "the condition has shape (3, 1, 3, 4)"),
        (torch.zeros(2, 3, 4), "the condition has shape (2, 3, 4)"),
        (torch.zeros(1, 2, 3, 4), "the condition has shape (1, 2, 3, 4)"),
        (torch.zeros(3, dtype=torch.int64), "the condition has shape (3,) and dtype torch.int64"),  # labels
        (torch.zeros(3, *IMAGE, dtype=torch.uint8), "dtype torch.uint8; expected (3, 2, 3, 4) and a floating-point"),
        (torch.full((3, *IMAGE), 1.01), "the condition's values range from 1.01 to 1.01; images lie in [-1, 1], so s"),
        (torch.full((3, *IMAGE), -255.0), "values range from -255 to -255"),
        (torch.full((3, *IMAGE), float("nan")), "the condition holds values that are not finite; give finite ones"),
        (torch.full((3, *IMAGE), float("inf")), "the condition holds values that are not finite"),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, str) else "images",
)
def test_other_images_are_refused(images, message):
    with pytest.raises(InputError) as refused:
        Condition.image(IMAGE).check(images, 3)
    assert message in str(refused.value)


def test_one_wrong_value_among_many_is_found():
    for declared in (Condition.vector(4), Condition.image((1, 2, 2))):
        values = torch.zeros(5, *declared.shape)
        values.view(-1)[7] = float("nan")
        with pytest.raises(InputError, match="not finite"):
            declared.check(values, 5)


@pytest.mark.parametrize("given", [torch.zeros(3, dtype=torch.int64), torch.zeros(3, 2), torch.zeros(3, *IMAGE)])
def test_an_unconditional_model_takes_no_condition(given):
    Condition().check(None, 3)
    with pytest.raises(InputError, match="unconditional and takes no labels and no condition; leave them out"):
        Condition().check(given, 3)


def test_a_plain_module_declares_nothing():
    plain = nn.Linear(2, 1)
    assert condition_of(plain) == Condition()
    plain.condition = "a label"  # no Condition
    assert condition_of(plain) == Condition()
    plain.condition = Condition.vector(3)
    assert condition_of(plain) == Condition.vector(3)


def test_rows_are_one_hot_labels_and_vectors_as_they_are():
    rows = as_rows(torch.tensor([2, 0]), Condition.label(3), torch.float16)
    assert rows.dtype == torch.float16
    assert rows.tolist() == [[0, 0, 1], [1, 0, 0]]
    vectors = torch.tensor([[0.25, -7.0]])
    assert torch.equal(as_rows(vectors, Condition.vector(2), torch.float32), vectors)
    assert as_rows(vectors, Condition.vector(2), torch.float64).dtype == torch.float64


class Notes(nn.Module):
    """Notes the arguments of each call."""

    def __init__(self, condition=None):
        super().__init__()
        self.seen = []
        if condition is not None:
            self.condition = condition

    def forward(self, *arguments):
        self.seen.append(arguments)
        return arguments[0]

    def features(self, *arguments):
        self.seen.append(arguments)
        return arguments[:1]


def test_the_condition_goes_only_to_networks_that_declare_one():
    value, vectors = torch.zeros(2, 3), torch.ones(2, 4)
    plain, told = Notes(), Notes(Condition.vector(4))
    for network in (plain, told):
        assert call(network, value, vectors) is value
        assert call_features(network, value, vectors)[0] is value
    assert [len(arguments) for arguments in plain.seen] == [1, 1]
    assert [[id(each) for each in arguments] for arguments in told.seen] == [[id(value), id(vectors)]] * 2


def test_the_bases_ask_for_what_they_lack():
    for function in (Generator().forward, Discriminator().forward, Discriminator().features):
        with pytest.raises(NotImplementedError):
            function(torch.zeros(1))
