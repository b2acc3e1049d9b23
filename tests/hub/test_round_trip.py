"""What is pushed to the Hub comes back the same, whichever way its files travel."""

import pytest
import torch
from huggingface_hub import ModelCard

import ganzoo
from ganzoo import publishing, zoo
from ganzoo.hub.pushing import Target

BUNDLED = ganzoo.list_pretrained(provider="torch-ganzoo")


@pytest.mark.parametrize("account", ["lfs", "xet"], indirect=True)
@pytest.mark.parametrize("name", BUNDLED)
def test_a_bundled_model_comes_back_bit_for_bit(account, name):
    hub, repository = account.hub, f"someone/{name}"
    pushed = publishing.push(name, Target(repo_id=repository, **account.writing))
    here, there = zoo.locate(name).folder, hub.files(repository)
    files = {path.name for path in here.iterdir()}
    assert set(there) == {*files, ".gitattributes"}
    for file in files - {"README.md"}:
        assert hub.read(repository, file) == (here / file).read_bytes()
    assert pushed.commit == hub.head(repository)
    by_xet = hub.count("GET .*/xet-write-token/.*") > 0
    assert by_xet == (hub.count("PUT /lfs/.*") == 0)
    assert by_xet == account.xet

    bundled = ganzoo.load(name, discriminator=True)
    loaded = ganzoo.load(f"hf-hub:{repository}", discriminator=True, **account.reading)
    assert loaded.config == bundled.config
    for key, tensor in bundled.state_dict().items():
        assert torch.equal(loaded.state_dict()[key], tensor)
    assert torch.equal(loaded.sample(4, seed=3), bundled.sample(4, seed=3))

    assert not hub.leaks()
    hub.requests.clear()
    cached = ganzoo.load(f"hf-hub:{repository}@{pushed.commit}", discriminator=True, **account.reading)
    assert hub.requests == []
    assert torch.equal(cached.sample(4, seed=3), bundled.sample(4, seed=3))

    card = hub.read(repository, "README.md").decode()
    assert ModelCard(card).data.to_dict() == ModelCard((here / "README.md").read_text()).data.to_dict()
    assert f'ganzoo.load("hf-hub:{repository}")' in card
    assert "local-dir" not in card


def test_a_model_of_the_hub_is_finetuned_with_its_commit_noted(account, tmp_path):
    repository = "someone/ring"
    pushed = publishing.push("mlp-ring", Target(repo_id=repository, **account.writing))
    trainer = ganzoo.Trainer.from_pretrained(
        f"hf-hub:{repository}",
        "ring",
        access=account.reading,
        images=256,
        run=tmp_path / "run",
        progress=False,
        best_by="",
    )
    published = ganzoo.load("mlp-ring", discriminator=True).networks.state_dict()
    assert all(torch.equal(tensor, published[key]) for key, tensor in trainer.gan.networks.state_dict().items())
    trainer.fit()
    origin = ganzoo.load(tmp_path / "run" / "model").config.training["finetuning"]
    assert (origin["model"], origin["repository"], origin["revision"]) == (
        f"hf-hub:{repository}",
        repository,
        pushed.commit,
    )
    assert ModelCard((tmp_path / "run" / "model" / "README.md").read_text()).data.base_model == repository
