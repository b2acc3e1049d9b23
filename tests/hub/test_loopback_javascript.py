"""A second client that knows nothing of the first: ``@huggingface/hub`` for JavaScript, where Node finds it.

``npm install @huggingface/hub`` in some folder, and ``NODE_PATH=FOLDER/node_modules`` for the tests, is enough.
"""

import json
import os
import shutil
import subprocess

import pytest
import torch
from huggingface_hub import ModelCard
from loopback_hub import run_client

import ganzoo

PACKAGE = "@huggingface/hub"
PROGRAM = """
const { createHash } = require("crypto");
const hub = require("@huggingface/hub");
const common = { hubUrl: process.env.HF_ENDPOINT, accessToken: process.env.HF_TOKEN };

async function main() {
  const told = {};
  const repo = "ganzoo/gan";
  const sha256 = async (path) => {
    const blob = await hub.downloadFile({ repo, path, ...common });
    return createHash("sha256").update(Buffer.from(await blob.arrayBuffer())).digest("hex");
  };
  told.whoami = (await hub.whoAmI(common)).name;
  told.files = [];
  for await (const file of hub.listFiles({ repo, recursive: true, ...common })) told.files.push(file.path);
  told.read = [await sha256("config.json"), await sha256("model.safetensors")];
  told.exists = [await hub.fileExists({ repo, path: "config.json", ...common }),
                 await hub.fileExists({ repo, path: "none.json", ...common })];
  told.model = (await hub.modelInfo({ name: repo, additionalFields: ["sha", "library_name"], ...common }));
  const weights = new Blob([new Uint8Array(5000).fill(7)]);
  const files = [{ path: "second.safetensors", content: weights }, { path: "second.json", content: new Blob(["{}"]) }];
  told.pushed = (await hub.uploadFiles({ repo, files, ...common })).commit.oid;
  await hub.deleteFile({ repo, path: "config.json", ...common });
  console.log(JSON.stringify(told));
}

main().catch((error) => { console.error(error); process.exit(1); });
"""
PUSH = """
import hashlib, json
from huggingface_hub import CommitOperationAdd, HfApi
files = {"config.json": b"{}", "model.safetensors": bytes(range(251)) * 800,
         "README.md": b"---\\nlicense: mit\\nlibrary_name: ganzoo\\n---\\n"}
operations = [CommitOperationAdd(path, content) for path, content in files.items()]
HfApi().create_commit("ganzoo/gan", operations, commit_message="One")
print(json.dumps([hashlib.sha256(files[path]).hexdigest() for path in ("config.json", "model.safetensors")]))
"""


@pytest.fixture
def node():
    """Run a program in Node with the package, or skip."""
    program = shutil.which("node")
    if program is None:
        pytest.skip("node is not installed")
    if subprocess.run([program, "-e", f"require.resolve({PACKAGE!r})"], capture_output=True, check=False).returncode:
        pytest.skip(f"node finds no {PACKAGE}")

    def run(code, **environment):
        variables = {**os.environ, **environment}
        done = subprocess.run([program, "-e", code], env=variables, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return run


@pytest.mark.parametrize("xet", [False, True])
def test_javascript_reads_what_python_pushed_and_pushes_more(hub, node, xet):
    hub.add_user("ganzoo", token="hf_ganzoo")
    hub.create_repo("ganzoo/gan", private=True)
    pushed = run_client(PUSH, hub, token="hf_ganzoo", xet=xet)
    head = hub.head("ganzoo/gan")
    told = node(PROGRAM, HF_ENDPOINT=hub.endpoint, HF_TOKEN="hf_ganzoo")
    assert told["whoami"] == "ganzoo"
    assert set(told["files"]) == {".gitattributes", "README.md", "config.json", "model.safetensors"}
    assert told["read"] == pushed
    assert told["exists"] == [True, False]
    assert (told["model"]["sha"], told["model"]["library_name"]) == (head, "ganzoo")
    assert hub.read("ganzoo/gan", "second.safetensors", told["pushed"]) == bytes([7]) * 5000
    assert "config.json" not in hub.files("ganzoo/gan")
    assert hub.leaks() == []


MODEL_PROGRAM = """
const { createHash } = require("crypto");
const hub = require("@huggingface/hub");
const common = { hubUrl: process.env.HF_ENDPOINT, accessToken: process.env.HF_TOKEN };
const repo = "someone/ring";

async function main() {
  const told = { sha256: {}, card: "", model: null, tensors: {} };
  for await (const file of hub.listFiles({ repo, recursive: true, ...common })) {
    const content = Buffer.from(await (await hub.downloadFile({ repo, path: file.path, ...common })).arrayBuffer());
    told.sha256[file.path] = createHash("sha256").update(content).digest("hex");
    if (file.path === "README.md") told.card = content.toString();
  }
  told.model = await hub.modelInfo({ name: repo, additionalFields: ["sha", "library_name", "cardData"], ...common });
  for (const path of ["generator.safetensors", "discriminator.safetensors"]) {
    const parsed = await hub.parseSafetensorsMetadata({ repo, path, ...common });
    told.tensors[path] = Object.fromEntries(Object.entries(parsed.header).map(([name, { shape }]) => [name, shape]));
  }
  console.log(JSON.stringify(told));
}

main().catch((error) => { console.error(error); process.exit(1); });
"""


@pytest.mark.parametrize("account", ["lfs", "xet"], indirect=True)
def test_javascript_reads_a_model_that_ganzoo_pushed(account, node):
    gan = ganzoo.load("mlp-ring", discriminator=True)
    pushed = gan.push_to_hub("someone/ring", private=True, dtype=torch.float16, **account.writing)
    told = node(MODEL_PROGRAM, HF_ENDPOINT=account.hub.endpoint, HF_TOKEN=account.token)
    told["sha256"].pop(".gitattributes")
    assert told["sha256"] == dict(pushed.sha256)
    assert told["card"].encode() == account.hub.read("someone/ring", "README.md")
    assert (told["model"]["sha"], told["model"]["library_name"]) == (pushed.commit, "ganzoo")
    assert told["model"]["cardData"] == ModelCard(told["card"]).data.to_dict()
    for name, network in (("generator", gan.generator), ("discriminator", gan.networks["discriminator"])):
        shapes = {key: list(tensor.shape) for key, tensor in network.state_dict().items()}
        assert told["tensors"][f"{name}.safetensors"] == shapes
    assert account.hub.leaks() == []
