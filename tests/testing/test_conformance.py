"""The kit passes everything built in and a plugin that keeps the contracts, and catches those that break one."""

import re

import pytest
import torch
from faulty import ARCHITECTURE, TERMS, broken
from turning import TURNING

import ganzoo
from ganzoo import plugins
from ganzoo.errors import ConformanceError, GanzooError, UnknownNameError
from ganzoo.testing import architecture_checks, check_architecture, check_loss, check_plugin, loss_checks, plugin_checks
from ganzoo.testing.checks import Check
from ganzoo.testing.plugin import settings_for

# Settings that make networks small, for whichever architecture has them.
SMALL = {
    "latent_dim": 4,
    "base_channels": 4,
    "embedding_dim": 3,
    "head_channels": 4,
    "generator_widths": [8],
    "discriminator_widths": [8],
    "backbone": "test_resnet",
}


def own(kind):
    return plugins.entries(kind, provider="torch-ganzoo")


# Everything built in


@pytest.mark.parametrize(
    "check",
    [
        check
        for entry in own("architecture")
        for check in architecture_checks(entry.full_name, **settings_for(entry, SMALL))
    ],
    ids=str,
)
def test_every_built_in_architecture_conforms(check):
    check()


@pytest.mark.parametrize("check", [check for entry in own("loss") for check in loss_checks(entry.full_name)], ids=str)
def test_every_built_in_term_conforms(check):
    check()


@pytest.mark.parametrize(
    ("name", "arguments"), [("label_noise", {"low": 0.6, "high": 0.9}), ("r1", {"gamma": 3, "every": 4})], ids=str
)
def test_terms_conform_with_other_arguments(name, arguments):
    check_loss(name, **arguments)


@pytest.mark.slow
def test_an_architecture_conforms_at_its_own_size():
    check_architecture("dcgan", sample_shapes=[(1, 28, 28), (3, 32, 32)])


# A plugin that keeps the contracts


def test_a_plugin_that_keeps_its_contracts_conforms(site):
    site.install("ganzoo-waves", ARCHITECTURE)
    check_architecture("ganzoo_waves/wave", width=4)
    site.install("ganzoo-terms", TERMS)
    for name in ganzoo.list_losses(provider="ganzoo-terms"):
        check_loss(name)


def failures(checks):
    """Return the messages of the checks that fail, by name."""
    found = {}
    for check in checks:
        try:
            check()
        except ConformanceError as error:
            found[check.name] = str(error)
    return found


def failure(checks, name):
    """Return the message with which the check of a name fails."""
    (check,) = [check for check in checks if check.name == name]
    with pytest.raises(ConformanceError) as caught:
        check()
    return str(caught.value)


# Architectures that break one: what is changed, to what, the check that must fail, and what it must say

FORWARD = "        hidden = self.hidden(with_label(latent, condition, self.condition.num_classes)).relu()\n"
INIT = "        self.output = nn.Linear(config.width, config.channels * config.length)\n"
OUTPUT = "self.output(hidden).tanh()"
LOGITS = "self.output(self.features(sample, condition)[-1]).squeeze(1)"

ARCHITECTURE_FAULTS = {
    "samples far outside": (
        OUTPUT,
        "self.output(hidden).mul(30)",
        "shapes",
        r"for samples of shape .* its generator gives samples from -.* they lie in \[-1, 1\]",
    ),
    "samples that can leave": (
        OUTPUT,
        "self.output(hidden).mul(0.1)",
        "bounded samples",
        r"after some training, its generator gives samples from .* they lie in \[-1, 1\]",
    ),
    "samples of another shape": (
        ".unflatten(1, self.sample_shape)",
        "[:, None]",
        "shapes",
        r"samples of shape \(4, 1, 48\) for 4 latents; expected \(4, 2, 24\)",
    ),
    "a sigmoid": (
        LOGITS,
        LOGITS + ".sigmoid()",
        "unbounded logits",
        r"its discriminator's logits stay between 0.* and 1 .* without a sigmoid",
    ),
    "a tanh": (LOGITS, LOGITS + ".tanh()", "unbounded logits", "stay between .* without a sigmoid or any other bound"),
    "logits as columns": (".squeeze(1)", "", "shapes", r"logits of shape \(4, 1\) for 4 samples; expected \(4,\) or"),
    "a config that changes what it is given": (
        "        if not 2 <=",
        "        object.__setattr__(self, 'width', 2 * self.width)\n        if not 2 <=",
        "config",
        "reads back as another one: width was 16 and is 32; leave fields as they were given",
    ),
    "a config of what JSON does not know": (
        "width: int = 8",
        "width: int = 8\n    tag: bytes = b'x'",
        "config",
        "holds what JSON cannot",
    ),
    "a config that can be changed": ("frozen=True, kw_only", "kw_only", "config", "can be changed or takes positions"),
    "a sample that sees its batch": (
        FORWARD,
        FORWARD + "        hidden = hidden - hidden.mean(0)\n",
        "single samples",
        "in eval mode, its generator gives a sample of its own in a batch of 4, different by up to",
    ),
    "a condition that is ignored": (
        FORWARD,
        FORWARD.replace("condition,", "condition if condition is None else 0 * condition,", 1),
        "what it depends on",
        "a label from 0 to 2, its generator ignores the condition; use it, or declare none",
    ),
    "a condition that the discriminator ignores": (
        "with_label(sample.flatten(1), condition,",
        "with_label(sample.flatten(1), condition if condition is None else 0 * condition,",
        "what it depends on",
        "its discriminator ignores the condition; use it, or declare none",
    ),
    "a condition that is not declared": (
        "        self.condition = Condition.label(config.num_classes)\n        self.hidden = nn.Linear(3 +",
        "        self.hidden = nn.Linear(3 +",
        "declarations",
        "declares to be conditioned on nothing; set self.condition",
    ),
    "a kind of condition that is none": (
        'KINDS = ("none", "label")',
        'KINDS = ("none", "label", "vector")',
        "declarations",
        "a vector of 5 numbers, declares to be conditioned on nothing",
    ),
    "latents that are ignored": (
        FORWARD,
        "        latent = 0 * latent\n" + FORWARD,
        "what it depends on",
        "its generator ignores the latents",
    ),
    "draws that are not saved": (
        INIT + "\n    def forward(self, latent, condition=None):\n",
        INIT + "        self.draws = [torch.randn(3)]\n\n    def forward(self, latent, condition=None):\n"
        "        latent = latent + self.draws[0]\n",
        "save and load",
        "its generator gives something else once it is saved and loaded, though every saved tensor is back",
    ),
    "weights from elsewhere than the seed": (
        INIT,
        INIT + "        self.output.weight.data += random.random()\n",
        "seeds",
        r"one seed gives two different \['output.weight'\] of its generator",
    ),
    "weights without a seed": (
        INIT,
        INIT + "        for parameter in self.parameters():\n            nn.init.constant_(parameter, 0.1)\n",
        "seeds",
        "two seeds give the same weights of its generator",
    ),
    "chance in eval mode": (
        FORWARD,
        "        latent = latent + torch.randn_like(latent)\n" + FORWARD,
        "seeds",
        "in eval mode, its generator gives two outputs for one input",
    ),
    "a refusal by another error": (
        'raise ConfigError(f"wave makes',
        'raise IndexError(f"wave makes',
        "shapes",
        r"building its generator for samples of shape \(1,\).* met a IndexError .*refused with ganzoo.errors.",
    ),
    "a parameter without use": (
        INIT,
        INIT + "        self.idle = nn.Linear(1, 1)\n",
        "gradients",
        "the parameter 'idle.weight' of its generator takes no part",
    ),
    "a gradient that is not finite": (
        OUTPUT,
        "(self.output(hidden) + (0 * latent.sum(1, keepdim=True) * hidden.sum()).sqrt()).tanh()",
        "gradients",
        "the gradient at .* of its generator is not finite",
    ),
    "no gradient to the samples": (
        "self.features(sample, condition)[-1]",
        "self.features(sample.detach(), condition)[-1]",
        "gradients",
        "no gradient passes through its discriminator to the samples",
    ),
    "features that are missing": (
        "def features",
        "def features(self, sample, condition=None):\n        raise NotImplementedError\n\n    def hidden_features",
        "features",
        "its discriminator is a Discriminator without the method features",
    ),
    "features that are no tuple": (
        "return (F.leaky_relu",
        "return list((F.leaky_relu",
        "features",
        "gave a list; comparing features needs a tuple of tensors",
    ),
    "layers of which all would be frozen": (
        "def features",
        "def lower_layers(self):\n        return self.hidden, self.output\n\n    def features",
        "what finetuning asks",
        "lower_layers of its discriminator gives all of it; leave out what makes the logits",
    ),
    "a layer of another network": (
        "def features",
        "def lower_layers(self):\n        return (nn.Linear(2, 2),)\n\n    def features",
        "what finetuning asks",
        "gives a layer that is no part of it",
    ),
    "a role for a tensor that is not there": (
        "def features",
        "def tensor_roles(self):\n        return {'first': Role('first')}\n\n    def features",
        "what finetuning asks",
        r"tensor_roles of its discriminator names \['first'\], and it has no such tensor",
    ),
    "a role with parts of another length": (
        "def features",
        "def tensor_roles(self):\n        return {'output.weight': Role('w', 1, {'latent': (3,)})}\n\n    def features",
        "what finetuning asks",
        "says that axis 1 of 'output.weight' has 3 values, and its shape is",
    ),
    "what bfloat16 cannot hold": (
        OUTPUT,
        "(self.output(hidden).add(500).sub(500) * 3).tanh()",
        "bfloat16",
        "under bfloat16 autocast, its generator is off by",
    ),
    "weights that do not learn": (
        OUTPUT,
        "F.linear(hidden, self.output.weight.detach(), self.output.bias).tanh()",
        "training",
        "after 3 steps with '.*': generator: unchanged: output.weight",
    ),
    "training that fails": (
        OUTPUT,
        "self.output(hidden).numpy(force=not self.training)",
        "training",
        "training with .* met a",
    ),
}


@pytest.mark.parametrize("fault", ARCHITECTURE_FAULTS)
def test_a_faulty_architecture_is_caught(site, fault):
    old, new, check, says = ARCHITECTURE_FAULTS[fault]
    source = broken(ARCHITECTURE, old, new)
    if "list((" in new:
        source = broken(source, "num_classes))),)\n", "num_classes))),))\n")
    site.install("ganzoo-waves", source)
    found = failure(architecture_checks("ganzoo_waves/wave"), check)
    assert re.search(says, found), found
    assert found.startswith("ganzoo_waves/wave: ")
    with pytest.raises(ConformanceError, match="ganzoo_waves/wave: "):
        check_architecture("ganzoo_waves/wave")


# An architecture with a step of its own, and networks that go back


def test_an_architecture_with_its_own_step_conforms(site):
    site.install("ganzoo-turns", TURNING)
    check_architecture("ganzoo_turns/turn")


FORGETFUL = """
from dataclasses import replace

from ganzoo import hookimpl
from ganzoo.models.dcgan import DCGAN
from ganzoo.training.step import AdversarialStep


class Step(AdversarialStep):
    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass


FORGETFUL = replace(DCGAN, step=Step)


@hookimpl
def ganzoo_register(registry):
    registry.architecture("forgetful", __name__ + ":FORGETFUL", summary="a step that keeps nothing")
"""


def test_a_step_that_forgets_what_an_augmentation_has_learned_is_caught(site):
    site.install("ganzoo-forgets", FORGETFUL)
    checks = architecture_checks("ganzoo_forgets/forgetful", base_channels=4, latent_dim=4)
    assert re.search(r"its step does not keep \['augment\..*call super\(\)\.state_dict", failure(checks, "training"))


STEP_FAULTS = {
    "a network that the step leaves out": (
        ' | {f"{name}_back": value for name, value in back.items()}',
        "",
        "training",
        "after 3 steps with '.*': discriminator_back: unchanged: hidden.weight",
    ),
    "a step that fails": (
        "self.mean = self.mean.lerp(",
        "self.mean = self.meen.lerp(",
        "training",
        "training with .* met a AttributeError",
    ),
    "a state that is not taken back": (
        '        self.mean = state["mean"]',
        "        pass",
        "training",
        r"its step keeps \['mean'\], and a fresh one that is given it by load_state_dict has another",
    ),
    "a way back for other pictures": (
        "replace(self, source_channels=self.channels, channels=self.source_channels)",
        "replace(self, source_channels=self.channels)",
        "declarations",
        "its generator_back, built for samples of shape .*, declares to be conditioned on an image of 1x16x16",
    ),
    "a way back that can leave its range": (
        "return self.output(self.hidden(condition).relu()).tanh()",
        "hidden = self.output(self.hidden(condition).relu())\n"
        "        return hidden if condition.shape[1] == 1 else hidden.tanh()",
        "bounded samples",
        "after some training, its generator_back gives samples from",
    ),
}


@pytest.mark.parametrize("fault", STEP_FAULTS)
def test_a_faulty_step_or_way_back_is_caught(site, fault):
    old, new, check, says = STEP_FAULTS[fault]
    site.install("ganzoo-turns", broken(TURNING, old, new))
    found = failure(architecture_checks("ganzoo_turns/turn"), check)
    assert re.search(says, found), found


# Terms that break one: which, what is changed, to what, the check that must fail, and what it must say

TERM_FAULTS = {
    "a logarithm of a sigmoid": (
        "loss",
        "F.softplus(fake_logits) - fake_targets * fake_logits",
        "-(1 - fake_logits.sigmoid()).log() - fake_targets * fake_logits",
        "contract",
        "the discriminator's loss at real logits of -80 and fake ones of 80 is inf, which is not finite",
    ),
    "a gradient that is not finite": (
        "loss",
        "self.scale * F.softplus(-fake_logits).mean()",
        "self.scale * torch.where(fake_logits < 50, F.softplus(-fake_logits), 0 * fake_logits.exp().exp()).mean()",
        "contract",
        "the generator's loss .*not finite",
    ),
    "a loss for each sample": (
        "loss",
        "self.scale * (real + fake).mean()",
        "self.scale * (real + fake)",
        "contract",
        r"has shape \(6,\); it takes one number",
    ),
    "state in the class": (
        "loss",
        "        return self.scale * (real",
        "        type(self).count = getattr(self, 'count', 0) + 1\n        return self.count * (real",
        "repeatability",
        "given the same twice, it gives two different values; keep no state",
    ),
    "state in the module": (
        "loss",
        "        return self.scale * F.soft",
        "        CALLS.append(1)\n        return len(CALLS) * F.soft",
        "repeatability",
        "given the same twice, it gives two different values; keep no state",
    ),
    "state in the instance": (
        "loss",
        "        return self.scale * F.soft",
        "        self.__dict__['seen'] = fake_logits.mean().item()\n        return self.scale * F.soft",
        "repeatability",
        "it changes itself when it is used",
    ),
    "chance": (
        "loss",
        "self.scale * (real + fake).mean()",
        "self.scale * (real + fake).mean() * torch.rand(())",
        "repeatability",
        "draw from the rng that is given",
    ),
    "real and fake exchanged": (
        "loss",
        "discriminator(self, real_logits, fake_logits,",
        "discriminator(self, fake_logits, real_logits,",
        "contract",
        "does not learn to give real samples higher logits",
    ),
    "a generator that gives in": (
        "loss",
        "F.softplus(-fake_logits).mean()",
        "F.softplus(fake_logits).mean()",
        "contract",
        "its generator does not learn to raise the logits",
    ),
    "targets without effect": (
        "loss",
        "        real = ",
        "        real_targets, fake_targets = 1.0, 0.0\n        real = ",
        "contract",
        "it declares binary_targets, and targets change nothing",
    ),
    "a field that is neither number nor name": (
        "loss",
        "scale: float = 1.0",
        "scale: tuple[float, ...] = (1.0,)",
        "declaration",
        "fields scale are neither int, float nor str",
    ),
    "a field that changes": (
        "loss",
        "    scale: float = 1.0\n",
        "    scale: float = 1.0\n\n    def __post_init__(self):\n"
        "        object.__setattr__(self, 'scale', self.scale * 2)\n",
        "text",
        r"its text '.*loss\(scale=2.0\)' reads back as '.*loss\(scale=4.0\)'",
    ),
    "a class that is not frozen": (
        "near",
        "@dataclass(frozen=True)\nclass Near",
        "class Near",
        "declaration",
        "is no frozen",
    ),
    "targets drawn elsewhere": (
        "trick",
        "torch.rand(shape, generator=rng)",
        "torch.rand(shape)",
        "repeatability",
        "draw from the rng that is given",
    ),
    "a mean that is not declared": (
        "trick",
        "return (self.low + 1) / 2",
        "return 1.0",
        "contract",
        "the mean of 10,000 is 0.9",
    ),
    "targets below 0": (
        "trick",
        ", torch.zeros(shape)",
        ", torch.zeros(shape) - 1",
        "contract",
        "gives targets below 0",
    ),
    "a target for all": (
        "trick",
        ", torch.zeros(shape)",
        ", torch.zeros(1)",
        "contract",
        r"of fake samples have shape \(1,\)",
    ),
    "a penalty without a graph": (
        "steep",
        "squared_gradient_norm(discriminator, real).mean()",
        "squared_gradient_norm(discriminator, real).mean().detach()",
        "contract",
        "the penalty has no gradient; differentiate with create_graph=True",
    ),
    "a penalty that draws elsewhere": (
        "steep",
        "squared_gradient_norm(discriminator, real).mean()",
        "squared_gradient_norm(discriminator, real * torch.rand(())).mean()",
        "repeatability",
        "draw from the rng that is given",
    ),
    "a penalty of nothing": (
        "steep",
        "squared_gradient_norm(discriminator, real).mean()",
        "(0 * discriminator(real)).mean()",
        "contract",
        "the penalty's gradient does not reach the discriminator",
    ),
    "a constraint that replaces": (
        "bound",
        "            for parameter in discriminator.parameters():\n"
        "                parameter.clamp_(-self.limit, self.limit)\n",
        "            discriminator.output.weight = nn.Parameter(discriminator.output.weight.clamp(-1, 1))\n",
        "contract",
        "it replaces parameters, and the optimizer holds the old ones",
    ),
    "a constraint that spoils": ("bound", "parameter.clamp_(", "parameter.div_(0 *", "contract", "met a|not finite"),
    "a generator term without a gradient": (
        "near",
        "(fake - target).abs().mean()",
        "(fake.detach() - target).abs().mean() + 0 * fake.sum()",
        "contract",
        "no gradient passes through it to the fakes",
    ),
    "a generator term that needs what is not declared": (
        "near",
        "paired: ClassVar[bool] = True",
        "paired: ClassVar[bool] = False",
        "training",
        "met a TypeError",
    ),
    "no kind of term": (
        "bound",
        "class Bound(Constraint)",
        "class Bound(Constraint, Penalty)",
        "declaration",
        "is of 2 kinds",
    ),
}


@pytest.mark.parametrize("fault", TERM_FAULTS)
def test_a_faulty_term_is_caught(site, fault):
    name, old, new, check, says = TERM_FAULTS[fault]
    site.install("ganzoo-terms", broken(TERMS, old, new))
    found = failure(loss_checks(name), check)
    assert re.search(says, found), found
    assert found.startswith(f"ganzoo_terms/{name}: ")
    with pytest.raises(ConformanceError, match=f"ganzoo_terms/{name}: "):
        check_loss(name)


# Plugins


def test_a_plugin_is_checked_with_all_it_registers(site):
    site.install("ganzoo-terms", TERMS)
    names = [str(check) for check in plugin_checks("ganzoo-terms")]
    assert names[:2] == ["ganzoo-terms-status", "ganzoo-terms-light import"]
    for name in ganzoo.list_losses(provider="ganzoo-terms"):
        assert f"{name}-contract" in names
    found = failures(plugin_checks("ganzoo-terms"))
    assert list(found) == ["light import"]
    assert "listing it imports numpy, torch; register with 'package.module:attribute'" in found["light import"]


LIGHT = """
from ganzoo import hookimpl

GANZOO_PLUGIN_API = 1

@hookimpl
def ganzoo_register(registry):
    registry.architecture("wave", "wave_networks:WAVE", summary="sequences")
    registry.dataset("noise", "wave_networks:{dataset}", summary="noise")
"""


def light(site, **changes):
    site.install("ganzoo-waves", LIGHT.format(**{"dataset": "fit"} | changes))
    (site.folder / "wave_networks.py").write_text(ARCHITECTURE)


def test_a_plugin_that_imports_lightly_conforms_in_one_line(site):
    light(site)
    check_plugin("ganzoo-waves", width=4)
    check_plugin("ganzoo_waves")  # as pip compares names


def test_settings_go_to_the_architectures_that_have_them(site):
    light(site)
    (check,) = [check for check in plugin_checks("ganzoo-waves", widht=4) if check.name == "known settings"]
    with pytest.raises(ConformanceError, match="none of its architectures has the setting 'widht'"):
        check()


def test_what_cannot_be_imported_is_caught(site):
    light(site, dataset="gone")
    with pytest.raises(ConformanceError, match=r"the check 'factory' met a PluginError: .*cannot be imported from"):
        check_plugin("ganzoo-waves")


def test_a_plugin_that_is_not_there_is_to_be_installed(site):
    with pytest.raises(ConformanceError, match=r"ganzoo-none is not installed; install it first: pip install -e \."):
        check_plugin("ganzoo-none")
    with pytest.raises(ConformanceError, match=r"torch 2\S* has no entry point in the group 'ganzoo'"):
        check_plugin("torch")


def test_a_plugin_that_fails_says_why_with_its_traceback(site):
    site.install("ganzoo-bad", "raise RuntimeError('boom')")
    with pytest.warns(plugins.GanzooPluginWarning), pytest.raises(ConformanceError) as caught:
        check_plugin("ganzoo-bad")
    assert "ganzoo-bad: it is failed: RuntimeError: boom" in str(caught.value)
    assert "Traceback" in str(caught.value)


def test_a_disabled_plugin_is_not_checked_in_silence(site, monkeypatch):
    light(site)
    monkeypatch.setenv("GANZOO_DISABLE_PLUGINS", "ganzoo-waves")
    with pytest.raises(ConformanceError, match="it is disabled: in GANZOO_DISABLE_PLUGINS"):
        check_plugin("ganzoo-waves")


PUBLISHED = """
    from ganzoo.registry import Published
    place = Published("someone/waves", "0" * 40, {{"config.json": "a" * 64}})
    registry.pretrained("sea", summary="", architecture="{architecture}", data="none", published=place)
"""


def test_a_model_on_the_hub_alone_is_checked_without_the_network(site, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")  # where nobody answers
    monkeypatch.setenv("GANZOO_HUB_TIMEOUT", "2")
    site.install("ganzoo-waves", LIGHT.format(dataset="fit") + PUBLISHED.format(architecture="wave"))
    (site.folder / "wave_networks.py").write_text(ARCHITECTURE)
    assert "ganzoo_waves/sea-published model" in [str(check) for check in plugin_checks("ganzoo-waves")]
    check_plugin("ganzoo-waves", width=4)


def test_a_model_on_the_hub_alone_names_an_architecture_that_there_is(site):
    site.install("ganzoo-waves", LIGHT.format(dataset="fit") + PUBLISHED.format(architecture="wavee"))
    (site.folder / "wave_networks.py").write_text(ARCHITECTURE)
    with pytest.raises(ConformanceError, match=r"ganzoo_waves/sea: .*no architecture is named 'wavee'"):
        check_plugin("ganzoo-waves", width=4)


def test_pretrained_models_of_ganzoo_conform():
    checks = [check for check in plugin_checks("torch-ganzoo") if check.name == "pretrained model"]
    assert [check.subject for check in checks] == ganzoo.list_pretrained(provider="torch-ganzoo")
    for check in checks:
        check()


# The kit itself


def test_unknown_names_are_refused_when_checks_are_listed():
    with pytest.raises(UnknownNameError, match="did you mean 'dcgan'"):
        architecture_checks("dcgann")
    with pytest.raises(UnknownNameError):
        check_loss("hinges")


def test_settings_must_be_the_architecture_s():
    with pytest.raises(ConformanceError, match="there is no setting 'widht'"):
        check_architecture("mlp", widht=3)


def test_an_architecture_may_refuse_any_shape_but_not_all():
    with pytest.raises(
        ConformanceError, match=r"is refused for every sample shape that was tried \(\(2,\): dcgan takes pic"
    ):
        check_architecture("dcgan", sample_shapes=[(2,)])


def test_a_failure_is_an_assertion_and_an_error_of_ganzoo_s():
    assert issubclass(ConformanceError, AssertionError)
    assert issubclass(ConformanceError, GanzooError)


def test_a_check_leaves_the_global_generator_as_it_was():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    drawn = []
    Check("draw", "nothing", lambda: drawn.append(torch.rand(3)))()
    Check("draw", "nothing", lambda: drawn.append(torch.rand(3)))()
    assert torch.equal(*drawn)
    assert torch.equal(torch.get_rng_state(), before)


def test_checks_have_the_names_of_tests():
    names = [str(check) for check in architecture_checks("mlp")]
    assert len(names) == len(set(names)) > 10
    assert all(name.startswith("mlp-") for name in names)
