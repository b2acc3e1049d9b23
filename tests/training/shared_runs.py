"""Runs that several processes share; started by torchrun, it trains all of them and writes what each process saw.

One start serves many tests, because importing torch in two processes takes most of the time.
"""

import hashlib
import json
import os
import signal
import sys
import traceback
import warnings
from pathlib import Path

import torch
from small import BATCH, RARELY, at_step, pairs, pictures, plain_gan, points, trainer

from ganzoo.training.distributed import leave
from ganzoo.training.resuming import pack

PLAIN = {"generator_normalization": "none"}
MLP = {"precision": "fp64", "model_args": PLAIN}
DCGAN = {
    "model": "dcgan",
    "data": pictures(40),
    "model_args": {"base_channels": 4, "latent_dim": 4, "discriminator_normalization": "spectral"},
    "precision": "fp64",
    "synchronize_batch_norm": True,
}
PIX2PIX = {
    "model": "pix2pix",
    "data": pairs(),
    "model_args": {
        "base_channels": 4,
        "normalization": "instance",
        "discriminator_normalization": "none",
        "dropout": 0.0,
    },
    "precision": "fp64",
    "steps": 3,
    "batch_size": 4,
    "images": 12,
}
# What must come out the same in one process and in two.
SAME = {
    "minimax": {**MLP, "objective": "minimax"},
    "non_saturating": {**MLP, "objective": "non_saturating"},
    "least_squares": {**MLP, "objective": "least_squares"},
    "hinge": {**MLP, "objective": "hinge"},
    "wasserstein": {**MLP, "objective": "wasserstein + weight_clipping(0.1)"},
    "relativistic": {**MLP, "objective": "relativistic"},
    "relativistic_average": {**MLP, "objective": "relativistic_average"},
    "feature_matching": {**MLP, "objective": "non_saturating + feature_matching"},
    "label_noise": {**MLP, "objective": "non_saturating + label_noise(0.7, 1.0)"},
    "label_flip": {**MLP, "objective": "least_squares + label_flip(0.2)"},
    "gradient_penalty": {**MLP, "objective": "wasserstein + gradient_penalty(10)", "discriminator_steps": 2},
    "lazy_r1_and_r2": {**MLP, "objective": "hinge + r1(1, every=2) + r2(1)", "reuse_fakes": False},
    "conditional": {**MLP, "data": points(classes=4), "conditional": True},
    "synchronized mlp": {"precision": "fp64", "synchronize_batch_norm": True},
    "synchronized plain": {"model": plain_gan, "data": points(), "precision": "fp64", "synchronize_batch_norm": True},
    "dcgan with flips and shifts": {**DCGAN, "flip": True, "shift": 1},
    "dcgan with relativistic_average": {**DCGAN, "objective": "relativistic_average + feature_matching(0)"},
    "pix2pix": {**PIX2PIX, "objective": "non_saturating + 100 * l1 + l2", "flip": True},
    "instance_noise": {**MLP, "augment": "instance_noise(0.2)", "discriminator_steps": 2},
    "dcgan with ada": {**DCGAN, "augment": "ada(target=-0.5, rise=200, every=2, p=0.4)"},
    "pix2pix with diffaugment": {**PIX2PIX, "objective": "non_saturating + r1(1)", "augment": "diffaugment"},
    "fp32": {"precision": "fp32", "model_args": PLAIN, "optimizer": "sgd", "learning_rate": 0.05},
}
# What must come out the same in both processes, though not in one.
ALIKE = {
    "batch norm": {"model": "dcgan", "data": pictures(40), "model_args": {"base_channels": 4, "latent_dim": 4}},
    "batch norm, one step": {**DCGAN, "synchronize_batch_norm": False, "steps": 1},
    "dropout": {"model_args": {**PLAIN, "discriminator_dropout": 0.3}},
    "bf16": {"precision": "bf16", "model_args": PLAIN},
    "fp16": {"precision": "fp16", "model_args": PLAIN},
    "lamb": {"optimizer": "lamb", "model_args": PLAIN},
}


def prepare(case, run=None):
    """Prepare a run of `SAME` or `ALIKE`."""
    case = dict(case)
    if case.get("model") is plain_gan:
        case["model"] = plain_gan(seed=int(os.environ.get("RANK", "0")))  # other weights, until they are shared
    return trainer(run, **{"checkpoint_every_images": RARELY, **case})


def history(run):
    """Train a prepared run and return its numbers at each step, without those that time."""
    seen, record = [], run.journal.record
    watched = ("loss", "norm")

    def noted(bar):
        seen.append({name: float(value) for name, value in run.monitor.values.items() if name.endswith(watched)})
        record(bar)

    run.journal.record = noted
    run.fit()
    return seen


def digest_of_weights(run):
    """Hash what all processes must have in common: weights, statistics, averages and the optimizers' state."""
    found = hashlib.sha256()
    for name, tensor in sorted(pack(run)[0].items()):
        found.update(name.encode() + tensor.detach().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


def final(run):
    """Return the weights and statistics of a run as lists of numbers."""
    tensors = run.result().networks.state_dict()
    return {name: tensor.double().flatten().tolist() for name, tensor in tensors.items()}


def outcome(act):
    """Return the name and the message of what an act raises."""
    try:
        act()
    except BaseException as error:
        return {"error": type(error).__name__, "message": str(error), "code": getattr(error, "code", None)}
    return {"error": None}


def spoilt(run, only, act):
    """Let something happen to a prepared run at its fourth step, in one process only."""
    return at_step(run, 3, act if run.processes.number == only else lambda: None)


def faults(folder):
    """Yield the names and outcomes of what goes wrong in one process and must end both at the same step."""
    nan = float("nan")

    def ended(name, change, only=1, **settings):
        run = trainer(folder / name, steps=8, **{"checkpoint_every_images": BATCH, **settings})
        spoilt(run, only, lambda: change(run))
        return name, {**outcome(run.fit), "images": run.images}

    for only in (0, 1):
        yield ended(f"weight-{only}", lambda run: run.gan.generator.output.weight.data.fill_(nan), only)
        yield ended(
            f"gradient-{only}",
            lambda run: run.gan.discriminator.output.weight.register_hook(lambda gradient: gradient * nan),
            only,
        )
        yield ended(f"average-{only}", lambda run: run.averages["generator"].network.output.bias.fill_(nan), only)
        yield ended(f"statistic-{only}", lambda run: run.gan.generator.layers[0][1].running_mean.fill_(nan), only)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
            yield ended(f"{number.name}-{only}", lambda run, number=number: os.kill(os.getpid(), number), only)


def refusals(folder, number):
    """Yield the names and outcomes of what cannot be shared."""
    yield "indivisible", outcome(lambda: trainer(batch_size=15))
    yield "card", outcome(lambda: trainer(device="cpu:0"))
    yield "data", outcome(lambda: trainer(data=points(40 + number), model_args=PLAIN).fit())
    yield "seed", outcome(lambda: trainer(seed=number).fit())
    trainer(folder / "taken").fit()
    before = contents(folder / "taken")
    yield "taken", outcome(lambda: trainer(folder / "taken", seed=7).fit())
    yield "what was taken", before == contents(folder / "taken")
    other = trainer(folder / "other", learning_rate=1e-3 * (1 + number))
    yield "learning rate", outcome(other.fit)
    yield "what was not begun", contents(folder / "other")


def contents(folder):
    """Return the digest of every file in a folder, by its path, but the lock's."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


def main(folder):
    """Train everything, and write what this process saw."""
    number = int(os.environ["RANK"])
    warnings.simplefilter("ignore")
    seen = {"same": {}, "alike": {}}
    for kind, cases in (("same", SAME), ("alike", ALIKE)):
        for name, case in cases.items():
            run = prepare(case)
            seen[kind][name] = {"history": history(run), "final": final(run), "digest": digest_of_weights(run)}
    seen["faults"] = dict(faults(folder))
    seen["refusals"] = dict(refusals(folder, number))
    run = trainer(folder / "evaluated", data="ring", best_by="modes", evaluate_samples=50)
    run.fit()
    seen["evaluated"] = digest_of_weights(run)
    patient = {"best_by": "modes", "evaluate_samples": 50, "evaluate_every_images": BATCH, "patience_images": 2 * BATCH}
    run = trainer(folder / "patient", data="ring", learning_rate=1e-12, **patient)  # so nothing improves
    run.fit()
    seen["patient"] = [run.images, digest_of_weights(run)]
    run = trainer(folder / "resumed", steps=4, **SAME["hinge"])
    run.fit()
    config = folder / "resumed" / "config.toml"
    run.processes.agree(None)
    if not number:
        config.write_text(config.read_text().replace(f"images = {4 * BATCH}", f"images = {8 * BATCH}"))
    run.processes.agree(None)
    run = type(run).resume(folder / "resumed", progress=False)
    run.fit()
    whole = trainer(steps=8, **SAME["hinge"])
    whole.fit()
    seen["resumed"], seen["whole"] = digest_of_weights(run), digest_of_weights(whole)
    (folder / f"process-{number}.json").write_text(json.dumps(seen))
    leave()


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except BaseException:
        traceback.print_exc()
        raise
