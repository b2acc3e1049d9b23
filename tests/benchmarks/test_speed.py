"""The benchmarks of speed: what they time is what they say, and their ratios and tables are right."""

import dataclasses
import json

import pytest
import ratios
import sampling
import torch
import training
from loops import CASES, Bare, Tutorial


def test_ratios_are_of_the_same_round():
    found = ratios.ratio({"a": [1.0, 4.0, 9.0], "b": [1.0, 2.0, 3.0]}, "a", "b")
    assert found == {"median": 2.0, "least": 1.0, "most": 3.0}
    assert ratios.shown(found) == "2.00 (1.00 to 3.00)"
    assert ratios.verdict(1.4, 1.4) == "at least 1.4: met"
    assert ratios.verdict(1.04, 1.03, at_most=True) == "at most 1.03: **missed**"
    assert ratios.verdict(1.0, None) == ""


def test_each_has_a_turn_a_round_and_each_is_first():
    order = []
    times = ratios.interleave({name: lambda n=name: order.append(n) for name in "abc"}, 3)
    assert "".join(order) == "abc" + "abc" + "bca" + "cab"
    assert {len(seconds) for seconds in times.values()} == {3}


def test_the_trainer_takes_turns_with_other_loops():
    case, taken = dataclasses.replace(CASES["mlp"], steps=2), []
    others = {name: lambda n=name: taken.append(n) for name in ("x", "y")}
    times = training.time_steps(case, "fp32", others, 4)
    assert {name: len(seconds) for name, seconds in times.items()} == {"ganzoo": 4, "x": 4, "y": 4}
    assert taken[training.WARM * 2 :].count("x") == taken[training.WARM * 2 :].count("y") == 4 * case.steps


@pytest.mark.parametrize("loop", [Bare, Tutorial])
@pytest.mark.parametrize("name", ["mlp", "dcgan", "pix2pix"])
def test_loops_train_both_networks(loop, name):
    smaller = {"mlp": {}, "dcgan": {"base_channels": 4}, "pix2pix": {"base_channels": 4}}[name]
    case = dataclasses.replace(CASES[name], arguments=CASES[name].arguments | smaller, batch=4)
    trained = loop(case, "fp32")
    networks = (trained.generator, trained.discriminator)
    before = [[parameter.clone() for parameter in network.parameters()] for network in networks]
    trained.step()
    for network, weights in zip(networks, before, strict=True):
        moved = [not torch.equal(a, b) for a, b in zip(weights, network.parameters(), strict=True)]
        assert sum(moved) > len(moved) / 2
        assert all(parameter.requires_grad for parameter in network.parameters())


def test_sections_say_which_bars_are_met(tmp_path):
    pair = {"median": 1.05, "least": 1.0, "most": 1.1}
    numbers = {"over_bare": pair, "speed_of_tutorial": {"median": 1.8, "least": 1.6, "most": 2.0}}
    peaks = {"bare": [100e6, 120e6, 110e6], "ganzoo": [112e6, 111e6, 150e6]}
    text = training.section({"dcgan": {"bf16": {**numbers, "peak_bytes": peaks}, "fp32": numbers}}, 7)
    assert "| 1.050 (1.000 to 1.100) | at most 1.03: **missed** | 1.80 (1.60 to 2.00) | at least 1.7: met |" in text
    assert "| bf16 | 110 MB | 112 MB | 1.018 | at most 1.03: met |" in text
    batches = {"1": {"pictures": 10, "seconds": {"plain": [2.0], "fp32": [1.0], "bf16": [1.0]}}}
    starts = {"ganzoo list": [0.3], "first picture": [2.5], "import torch": [2.2]}
    section = sampling.section(batches, starts, {"fp32": 1e-7, "bf16": 1e-3}, 1)
    assert "| `ganzoo list` | 0.30 (0.30 to 0.30) | at most 0.2: **missed** |" in section
    assert "| first picture | 0.30 (0.30 to 0.30) | at most 0.5: met |" in section
    report, page = tmp_path / "report.json", tmp_path / "page.md"
    for _ in range(2):
        ratios.write("sampling", {"batches": batches}, section, report, page)
    assert json.loads(report.read_text())["batches"] == batches
    assert page.read_text().count("## Speed of sampling") == 1
