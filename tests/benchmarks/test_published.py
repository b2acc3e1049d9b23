import json
import math
import shutil
from dataclasses import replace

import click
import losses_on_mnist
import mixtures
import pages
import published
import pytest
import stacked_mnist
import torch
from click.testing import CliRunner
from entries import Benchmark, Entry, Quoted

from ganzoo.data.bundled import mnist_test
from ganzoo.data.table import Table
from ganzoo.errors import DivergenceError
from ganzoo.losses.parsing import parse
from ganzoo.metrics.judge import load_judge
from ganzoo.training.trainer import Trainer

UNIFORM = torch.full((1000,), 1 / 1000, dtype=torch.float64)


def entry(name="first", images=96, **changed):
    defaults = {
        "label": f"the {name}",
        "data": "ring",
        "model": "mlp",
        "objective": "non_saturating",
        "model_args": {"latent_dim": 2, "generator_widths": [8], "discriminator_widths": [8], "output": "linear"},
        "settings": {"images": images, "batch_size": 32, "precision": "fp32"},
    }
    return Entry(name=name, **{**defaults, **changed})


def small(*entries, **changed):
    benchmark = Benchmark(
        name="small",
        title="A small one",
        text="What it is.",
        columns={"modes": ".1f", "high_quality": ".1%"},
        entries=entries or (entry(),),
        open_data=mixtures.open_data,
        measure=mixtures.measure,
        real=lambda: {"ring": {"modes": 8.0, "high_quality": 0.989}},
        quoted=(Quoted(data="ring", label="a paper", cells={"modes": "6.3"}),),
        protocol={"samples": 2500},
    )
    return replace(benchmark, **changed)


@pytest.fixture
def conduct(tmp_path):
    """Conducts a benchmark with everything below the test's folder, and returns report and page."""

    def run(benchmark, *, seeds=1, only=(), page=tmp_path / "page.md"):
        report = tmp_path / "report.json"
        threads = torch.get_num_threads()
        published.conduct(
            benchmark, runs=tmp_path / "runs", seeds=seeds, only=only, threads=threads, report=report, page=page
        )
        return json.loads(report.read_text()), page.read_text()

    return run


@pytest.fixture
def trainings(monkeypatch):
    """The order in which runs were trained."""
    begun = []
    fit = Trainer.fit

    def noted(trainer):
        begun.append((trainer.run.path.parent.name, trainer.settings.seed, trainer.images))
        return fit(trainer)

    monkeypatch.setattr(Trainer, "fit", noted)
    return begun


# What is measured


def test_a_mode_is_a_number_of_three_digits():
    digits = torch.tensor([[0, 0, 0], [1, 2, 3], [9, 9, 9]])
    assert stacked_mnist.mode_numbers(digits).tolist() == [0, 123, 999]


def test_stacks_hold_the_digits_that_their_mode_says():
    pictures = torch.arange(10, dtype=torch.uint8).reshape(10, 1, 1, 1).expand(10, 1, 2, 2).clone()
    digits = Table(pictures, torch.arange(10), tuple("0123456789"))
    stacks, modes = stacked_mnist.stack(digits, 500, seed=0)
    assert stacks.shape == (500, 3, 2, 2)
    assert torch.equal(stacked_mnist.mode_numbers(stacks[:, :, 0, 0].long()), modes)
    again, _ = stacked_mnist.stack(digits, 500, seed=0)
    other, _ = stacked_mnist.stack(digits, 500, seed=1)
    assert torch.equal(stacks, again)
    assert not torch.equal(stacks, other)


def test_real_digits_with_a_classifier_that_knows_them_have_all_modes():
    digits = mnist_test()
    numbered = torch.arange(len(digits)) % 256, torch.arange(len(digits)) // 256
    samples = digits.samples.clone()
    samples[:, 0, 0, 0], samples[:, 0, 0, 1] = (part.to(torch.uint8) for part in numbered)  # names each picture

    def look(pictures):
        rows = pictures[:, 0, 0, 0].long() + 256 * pictures[:, 0, 0, 1].long()
        return torch.nn.functional.one_hot(digits.labels[rows], 10).float()

    pictures, modes = stacked_mnist.stack(replace(digits, samples=samples), 26_000, seed=1)
    seen = stacked_mnist.classify(pictures, look)
    assert torch.equal(seen, modes)
    _, of_data = stacked_mnist.stack(digits, 128_000, seed=0)
    numbers = stacked_mnist.measure_modes(seen, stacked_mnist.mode_shares(of_data))
    assert numbers["modes"] == 1000
    assert 0 < numbers["KL"] < 0.04  # about (1000 - 1) / 2 * (1 / 26,000 + 1 / 128,000), as finite samples differ


def test_the_judge_sees_the_digits_of_each_channel():
    pictures, modes = stacked_mnist.stack(mnist_test(), 300, seed=0)
    seen = stacked_mnist.classify(pictures, lambda grey: load_judge(stacked_mnist.JUDGE).observe(grey).logits)
    assert (seen == modes).float().mean() > 0.95


def test_a_single_mode_is_a_divergence_of_log_1000():
    numbers = stacked_mnist.measure_modes(torch.full((26_000,), 7), UNIFORM)
    assert numbers == {"modes": 1.0, "KL": pytest.approx(math.log(1000))}


def test_half_of_the_modes_are_a_divergence_of_log_2():
    numbers = stacked_mnist.measure_modes(torch.arange(500).repeat(4), UNIFORM)
    assert numbers == {"modes": 500.0, "KL": pytest.approx(math.log(2))}


def test_a_mode_that_the_data_lacks_is_infinitely_far():
    real = torch.zeros(1000, dtype=torch.float64)
    real[:10] = 0.1
    assert stacked_mnist.measure_modes(torch.tensor([0, 10]), real)["KL"] == math.inf


def test_real_points_score_what_the_protocol_says():
    for data, modes in (("ring", 8), ("grid", 25)):
        numbers = mixtures.measure_real()[data]
        assert numbers["modes"] == modes
        assert numbers["high_quality"] == pytest.approx(0.989, abs=0.006)


@pytest.mark.parametrize(
    "row",
    [*mixtures.entries(400), *losses_on_mnist.entries(640), *stacked_mnist.entries(640)],
    ids=lambda row: f"{row.data}-{row.name}",
)
def test_each_row_can_be_trained(row):
    if row.data in mixtures.BEST_OBJECTIVES:
        data = row.data
    else:
        pictures = mnist_test().samples[:64]
        data = Table(pictures.expand(-1, 3, -1, -1).clone() if row.data == "stacked" else pictures)
    trainer = Trainer(row.model, row.objective, data, model_args=row.model_args, **row.settings, seed=0)
    assert str(trainer.objective) == str(parse(row.objective))
    assert trainer.settings.images == row.settings["images"]


def test_mixtures_have_the_networks_of_the_paper():
    row = mixtures.entries(1)[0]
    networks = Trainer(row.model, row.objective, "ring", model_args=row.model_args, **row.settings).gan.networks
    generator, discriminator = (
        sum(weight.numel() for name, weight in networks[role].named_parameters() if name.endswith("weight"))
        for role in ("generator", "discriminator")
    )
    assert generator == 2 * 400 + 3 * 400 * 400 + 400 * 2 + 4 * 400  # the last are batch norm's
    assert discriminator == 5 * (2 * 200 + 2 * 200 * 200) + 200


# Runs and their results


def test_a_seed_of_every_row_comes_before_the_next_seed(conduct, trainings):
    report, page = conduct(small(entry("first"), entry("second")), seeds=2)
    assert trainings == [("first", 0, 0), ("second", 0, 0), ("first", 1, 0), ("second", 1, 0)]
    for row in report["rows"]:
        values = [run["numbers"]["high_quality"] for run in row["runs"]]
        assert [run["seed"] for run in row["runs"]] == [0, 1]
        assert row["mean"]["high_quality"] == pytest.approx(sum(values) / 2)
        assert row["standard_error"]["high_quality"] == pytest.approx(abs(values[0] - values[1]) / 2)
        assert row["runs"][0]["environment"]["versions"]["torch"]
    assert "| the first |" in page


def test_a_finished_run_is_not_trained_again(conduct, trainings):
    first, _ = conduct(small())
    second, _ = conduct(small())
    assert trainings == [("first", 0, 0)]
    assert second == first
    more, _ = conduct(small(), seeds=2)
    assert trainings == [("first", 0, 0), ("first", 1, 0)]
    assert more["rows"][0]["runs"][0] == first["rows"][0]["runs"][0]


def test_a_run_cut_short_is_gone_on_with(conduct, trainings, monkeypatch, tmp_path):
    whole, _ = conduct(small())
    steps = Trainer._train_step

    def cut(trainer):
        if trainer.images == 64:
            raise KeyboardInterrupt
        steps(trainer)

    (tmp_path / "runs").rename(tmp_path / "whole")
    often = small(
        entry(settings={**entry().settings, "checkpoint_every_images": 32}),
        open_data=lambda name: replace(mixtures.open_data(name), source=None),  # as data that only Python holds
    )
    monkeypatch.setattr(Trainer, "_train_step", cut)
    with pytest.raises(KeyboardInterrupt):
        conduct(often)
    monkeypatch.setattr(Trainer, "_train_step", steps)
    report, _ = conduct(often)
    assert trainings[1:] == [("first", 0, 0), ("first", 0, 64)]
    assert report["rows"][0]["mean"] == whole["rows"][0]["mean"]


def test_only_some_rows(conduct, trainings):
    report, page = conduct(small(entry("first"), entry("second")), only=["second"])
    assert [name for name, *_ in trainings] == ["second"]
    assert [len(row["runs"]) for row in report["rows"]] == [0, 1]
    assert "| the first |" not in page
    with pytest.raises(click.ClickException, match="there is no row third; use first"):
        conduct(small(), only=["third"])


def test_a_run_of_another_budget_is_refused_and_never_shown(conduct):
    conduct(small())
    with pytest.raises(click.ClickException, match="asked for with other settings"):
        conduct(small(entry(images=128)))
    report, page = conduct(small(entry(images=128), entry("other")), only=["other"])
    assert report["rows"][0]["runs"] == []
    assert "| the first |" not in page


def test_a_run_that_does_not_say_what_it_was_asked_for_is_refused(tmp_path):
    published.claim(tmp_path / "new", {"images": 64})
    published.claim(tmp_path / "new", {"images": 64})
    with pytest.raises(click.ClickException, match="asked for with other images and later"):
        published.claim(tmp_path / "new", {"images": 65, "later": 1})
    with pytest.raises(click.ClickException, match="asked for with other images;"):
        published.claim(tmp_path / "new", {})
    for name in ("result.json", "config.toml"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).write_text("{}")
        with pytest.raises(click.ClickException, match="does not say what it was asked for"):
            published.claim(tmp_path / name, {"images": 64})
        assert not (tmp_path / name / "asked.json").exists()


def test_a_diverged_run_is_a_result(conduct, trainings, monkeypatch):
    def diverge(gan, table):
        raise DivergenceError("the loss is not finite")

    report, page = conduct(small(measure=diverge))
    assert report["rows"][0]["runs"][0]["diverged"] == "the loss is not finite"
    assert report["rows"][0]["mean"] == {}
    assert "| the first |  |  | 1 (1 diverged) |" in page
    conduct(small())
    assert len(trainings) == 1


# The page


def test_a_section_leaves_the_others_as_they_are():
    page = pages.replace_section(pages.HEAD, "one", "first")
    page = pages.replace_section(page, "two", "second")
    assert page.startswith(pages.HEAD)
    changed = pages.replace_section(page + "\nby hand\n", "one", "changed")
    assert changed == page.replace("first", "changed") + "\nby hand\n"
    with pytest.raises(ValueError, match="no '<!-- one: end -->'"):
        pages.replace_section(page.replace("<!-- one: end -->", "").replace("two", "three"), "one", "again")


def test_the_page_says_the_same_when_written_again(conduct, tmp_path):
    (tmp_path / "page.md").write_text("# Mine\n\n<!-- small: begin -->\nold\n<!-- small: end -->\n\nkept\n")
    _, page = conduct(small())
    assert page.startswith("# Mine\n\n<!-- small: begin -->\n\n## A small one\n")
    assert page.endswith("<!-- small: end -->\n\nkept\n")
    assert "old" not in page
    assert conduct(small())[1] == page


def test_a_table_has_quoted_rows_and_real_data(conduct):
    _, page = conduct(small(entry(published={"high_quality": "about 90"})))
    assert "| *a paper* | *6.3* |  |  |  |" in page
    assert "| about 90 | 1 |" in page
    assert "| real data (ring) | 8.0 | 98.9% |  |  |" in page
    assert "| the first | `non_saturating` | `mlp`: latent_dim=2, " in page


@pytest.mark.parametrize("command", [mixtures.main, losses_on_mnist.main, stacked_mnist.main])
def test_commands_say_what_they_take(command):
    answer = CliRunner().invoke(command, ["--help"])
    assert answer.exit_code == 0
    assert all(option in answer.output for option in ("--runs", "--seeds", "--only", "--threads", "--report", "--page"))


def test_one_command_writes_report_and_page(tmp_path):
    paths = [f"--{name}={tmp_path / name}" for name in ("runs", "report", "page")]
    answer = CliRunner().invoke(
        mixtures.main, ["--updates=2", "--seeds=1", "--only=ring-paper", *paths], catch_exceptions=False
    )
    assert answer.exit_code == 0
    report = json.loads((tmp_path / "report").read_text())
    assert report["protocol"]["updates"] == 2
    assert report["rows"][0]["runs"][0]["images"] == 200
    assert "The budget is 2 updates of each network" in (tmp_path / "page").read_text()


def test_a_fresh_clone_takes_finished_runs_from_the_report(conduct, trainings, tmp_path):
    before, page = conduct(small(), seeds=2)
    shutil.rmtree(tmp_path / "runs")
    after, again = conduct(small(), seeds=3)
    assert [seed for _, seed, _ in trainings] == [0, 1, 2]
    assert after["rows"][0]["runs"][:2] == before["rows"][0]["runs"]
    assert page != again


def test_a_report_of_another_budget_is_computed_anew(conduct, trainings, tmp_path):
    conduct(small())
    shutil.rmtree(tmp_path / "runs")
    conduct(small(entry(images=64)))
    assert len(trainings) == 2
