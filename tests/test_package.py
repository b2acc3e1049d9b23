import ast
import importlib.metadata
import json
import subprocess
import sys
from pathlib import Path

import pytest

import ganzoo

ROOT = Path(ganzoo.__file__).parent
SOURCES = sorted(ROOT.rglob("*.py"))
LONGEST, PREFERRED = 400, 250

# What would run code from a file, or take weights that do not fit.
FORBIDDEN_CALLS = {"torch.load", "eval", "exec", "compile", "__import__", "os.system", "numpy.load", "np.load"}
FORBIDDEN_MODULES = {"pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}


def test_importing_ganzoo_loads_no_torch():
    program = """
import json, sys
import ganzoo
named = dir(ganzoo)
ganzoo.errors.GanzooError
ganzoo.hookimpl
ganzoo.list_losses("minimax", provider="torch-ganzoo")
ganzoo.list_plugins()
print(json.dumps([sorted(sys.modules), named]))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded, named = json.loads(done.stdout)
    assert "ganzoo.zoo" in loaded
    heavy = {"torch", "torchvision", "timm", "numpy", "PIL", "safetensors", "huggingface_hub"}
    assert not heavy & {module.partition(".")[0] for module in loaded}
    assert named == sorted(ganzoo.__all__)


def test_every_public_name_is_there():
    assert {"GAN", "Trainer", "load", "create_model", "errors", "hookimpl"} <= set(ganzoo.__all__)
    for name in ganzoo.__all__:
        assert getattr(ganzoo, name) is not None
        assert name in dir(ganzoo)


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'ganzoo' has no attribute 'lode'"):
        ganzoo.lode  # noqa: B018
    assert not hasattr(ganzoo, "torch")


def dotted(node: ast.expr) -> str:
    """Return a call's target as it is written, `a.b.c`."""
    return ast.unparse(node) if isinstance(node, ast.Name | ast.Attribute) else ""


def dangers(source: str) -> list[str]:
    """Return what in a module's source unpickles, evaluates text, or loads weights that need not fit."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            found += [dotted(node.func)] if dotted(node.func) in FORBIDDEN_CALLS else []
            found += [
                "strict=False"
                for keyword in node.keywords
                if keyword.arg == "strict"
                and isinstance(keyword.value, ast.Constant)
                and not keyword.value.value
                and dotted(node.func) != "zip"
            ]
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name.partition(".")[0] in FORBIDDEN_MODULES]
        if isinstance(node, ast.ImportFrom):
            found += [node.module] if (node.module or "").partition(".")[0] in FORBIDDEN_MODULES else []
            found += ["torch.load"] if node.module == "torch" and any(a.name == "load" for a in node.names) else []
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_unpickles_evaluates_or_loads_loosely(path):
    assert dangers(path.read_text()) == []


@pytest.mark.parametrize(
    "source",
    [
        *("torch.load(path)", "from torch import load", "import pickle", "from pickle import loads", "eval('1')"),
        *("exec(text)", "module.load_state_dict(tensors, strict=False)", "import os, joblib.x", "np.load(path)"),
    ],
)
def test_such_code_is_found(source):
    assert len(dangers(source)) == 1


def test_no_file_is_too_long():
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in SOURCES}
    over = {name: length for name, length in lengths.items() if length > PREFERRED}
    assert max(lengths.values()) <= LONGEST, f"over {PREFERRED} lines: {over}"


def test_the_package_is_typed_and_versioned():
    assert (ROOT / "py.typed").is_file()
    assert importlib.metadata.version("torch-ganzoo") == ganzoo.__version__


def test_loading_a_bundled_model_does_not_import_the_compiler():
    code = "import sys, ganzoo; ganzoo.load('dcgan-mnist'); sys.exit('torch._dynamo' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
