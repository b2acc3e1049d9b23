import pytest
import torch

from ganzoo.training.order import DataOrder


@pytest.mark.parametrize(("samples", "batch"), [(12, 4), (10, 4), (7, 7), (3, 8), (1, 5), (100, 1)])
def test_every_row_exactly_once_an_epoch(samples, batch):
    order = DataOrder(samples, batch, seed=3)
    epochs = 6
    batches = [order.batch(number) for number in range(-(-samples * epochs // batch))]
    assert all(rows.shape == (batch,) and rows.dtype == torch.int64 for rows in batches)
    rows = torch.cat(batches)[: samples * epochs].view(epochs, samples)
    assert torch.equal(rows.sort(dim=1).values, torch.arange(samples).expand(epochs, -1))


def test_epochs_differ():
    order = DataOrder(50, 50, seed=0)
    assert not torch.equal(order.batch(0), order.batch(1))


def test_a_batch_across_epochs_goes_on_in_the_next():
    long, short = DataOrder(10, 20, seed=0), DataOrder(10, 4, seed=0)
    assert torch.equal(long.batch(0), torch.cat([short.batch(number) for number in range(5)]))


def test_depends_on_seed_and_number_alone():
    order, other = DataOrder(30, 7, seed=5), DataOrder(30, 7, seed=5)
    straight = [order.batch(number) for number in range(12)]
    jumped = {number: other.batch(number) for number in (11, 3, 7, 0, 4)}
    assert all(torch.equal(rows, straight[number]) for number, rows in jumped.items())
    assert not torch.equal(DataOrder(30, 7, seed=6).batch(0), straight[0])


def test_does_not_depend_on_the_global_generator():
    order = DataOrder(30, 7, seed=5)
    torch.manual_seed(1)
    first = order.batch(0)
    torch.manual_seed(2)
    state = torch.get_rng_state()
    assert torch.equal(DataOrder(30, 7, seed=5).batch(0), first)
    assert torch.equal(torch.get_rng_state(), state)
