"""A checkpoint is damaged on disk."""

import harness
import pytest
import torch

from ganzoo.training.checkpoints import CheckpointStore


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoints")
    store = CheckpointStore(folder, 2)
    for images in (80, 160):
        tensors = {"weights": torch.randn(20, 30), "step": torch.tensor(images)}
        store.save(images, tensors, {"images": images, "step": images // 16, "config": {"seed": 0}})
    return folder


def test_damage_is_noticed(checkpoints, tmp_path):
    for seed in range(40):
        harness.mutate(checkpoints, tmp_path / "copy", seed)


@pytest.mark.faults
def test_all_damage_is_noticed(checkpoints, tmp_path):
    for seed in range(1000, 1500):
        harness.mutate(checkpoints, tmp_path / "copy", seed)
