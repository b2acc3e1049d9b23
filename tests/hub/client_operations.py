"""The program of test_loopback_hub: what a client does with a Hub, step by step, and what came of it, as JSON."""

import json
import os
import struct
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

from huggingface_hub import HfApi, get_safetensors_metadata, hf_hub_download, snapshot_download
from huggingface_hub.errors import HfHubHTTPError, RemoteEntryNotFoundError

api = HfApi()
told = {}


def refused(function, *arguments, **named):
    """Return the class and the status of the error that a call ends with."""
    try:
        function(*arguments, **named)
    except (HfHubHTTPError, RemoteEntryNotFoundError, ValueError) as error:
        response = getattr(error, "response", None)
        return [type(error).__name__, response.status_code if response is not None else None]
    return None


def mark(name):
    """Leave a line in the Hub's record of requests."""
    try:
        urllib.request.urlopen(f"{os.environ['HF_ENDPOINT']}/mark/{name}")
    except urllib.error.HTTPError as error:
        error.close()


folder = Path(tempfile.mkdtemp())
header = json.dumps({"layer.weight": {"dtype": "F32", "shape": [64, 32], "data_offsets": [0, 8192]}}).encode()
weights = struct.pack("<Q", len(header)) + header + bytes(range(256)) * 32
(folder / "model.safetensors").write_bytes(weights)
(folder / "config.json").write_text('{"architecture": "dcgan"}')
(folder / "README.md").write_text(
    "---\nlicense: mit\nlibrary_name: ganzoo\npipeline_tag: unconditional-image-generation\ntags: [gan]\n---\n# DCGAN\n"
)
(folder / "samples").mkdir()
(folder / "samples" / "grid.png").write_bytes(bytes(range(251)) * 5000)

told["whoami"] = [api.whoami()["name"], [org["name"] for org in api.whoami()["orgs"]]]
told["created"] = str(api.create_repo("ganzoo/dcgan"))
told["created again"] = str(api.create_repo("ganzoo/dcgan", exist_ok=True))
told["create existing"] = refused(api.create_repo, "ganzoo/dcgan")
told["create foreign"] = refused(api.create_repo, "someone/dcgan")
told["created for an organization"] = str(api.create_repo("lab/secret", private=True))

start = api.model_info("ganzoo/dcgan").sha
first = api.upload_folder(repo_id="ganzoo/dcgan", folder_path=folder, commit_message="One", parent_commit=start)
told["first"] = first.oid
mark("again")
told["pushed again"] = api.upload_folder(repo_id="ganzoo/dcgan", folder_path=folder).oid
mark("pushed")
second = api.upload_file(repo_id="ganzoo/dcgan", path_or_fileobj=b"noted\n", path_in_repo="notes.txt")
told["second"] = second.oid
conflict = {"repo_id": "ganzoo/dcgan", "path_or_fileobj": b"late\n", "path_in_repo": "notes.txt"}
told["stale parent"] = refused(api.upload_file, **conflict, parent_commit=first.oid)
told["push foreign"] = refused(api.upload_file, **(conflict | {"repo_id": "someone/theirs"}))

api.create_tag("ganzoo/dcgan", tag="v1", revision=first.oid)
told["tag existing"] = refused(api.create_tag, "ganzoo/dcgan", tag="v1")
api.create_tag("ganzoo/dcgan", tag="v1", exist_ok=True)
api.create_branch("ganzoo/dcgan", branch="trial", revision="v1")
told["branch existing"] = refused(api.create_branch, "ganzoo/dcgan", branch="trial")
api.upload_file(
    repo_id="ganzoo/dcgan", path_or_fileobj=weights[::-1], path_in_repo="model.safetensors", revision="trial"
)
refs = api.list_repo_refs("ganzoo/dcgan")
told["refs"] = {ref.ref: ref.target_commit for ref in [*refs.branches, *refs.tags]}
told["commits"] = [[commit.commit_id, commit.title] for commit in api.list_repo_commits("ganzoo/dcgan")]

proposal = api.upload_file(**(conflict | {"repo_id": "someone/theirs", "create_pr": True}))
told["proposal"] = [proposal.pr_revision, proposal.pr_url]
told["second proposal"] = api.upload_folder(repo_id="someone/theirs", folder_path=folder, create_pr=True).pr_revision
told["proposals"] = [[found.num, found.author] for found in api.get_repo_discussions("someone/theirs")]

info = api.model_info("ganzoo/dcgan", files_metadata=True)
told["info"] = {file.rfilename: [file.size, file.lfs and file.lfs.sha256] for file in info.siblings}
told["card"] = info.card_data.to_dict()
told["model"] = [info.sha, info.private, info.gated, info.library_name, info.pipeline_tag, info.safetensors.parameters]
told["files"] = api.list_repo_files("ganzoo/dcgan")
told["exists"] = [api.file_exists("ganzoo/dcgan", name) for name in ("config.json", "none.json")]
told["revision exists"] = [api.revision_exists("ganzoo/dcgan", name) for name in ("v1", "v2")]
told["repo exists"] = [api.repo_exists(name) for name in ("ganzoo/dcgan", "ganzoo/none")]
paths = api.get_paths_info("ganzoo/dcgan", ["samples", "model.safetensors", "none"], expand=True)
told["paths"] = {entry.path: entry.last_commit.oid if hasattr(entry, "size") else None for entry in paths}
told["models"] = [model.id for model in api.list_models(author="ganzoo", filter="gan")]
told["resolved"] = api.resolve_revision("ganzoo/dcgan", revision="v1").resolved


def download(name, revision=None, **named):
    return Path(hf_hub_download("ganzoo/dcgan", name, revision=revision, **named))


mark("download")
told["by main"] = download("model.safetensors").read_bytes() == weights
mark("etag")
told["by main again"] = download("model.safetensors").read_bytes() == weights
mark("commit")
told["by commit"] = download("model.safetensors", second.oid).read_bytes() == weights
mark("downloaded")
told["by tag"] = download("model.safetensors", "v1").read_bytes() == weights
told["by branch"] = download("model.safetensors", "trial").read_bytes() == weights[::-1]
told["local_dir"] = download("config.json", local_dir=folder / "local").read_text()
snapshot = Path(snapshot_download("ganzoo/dcgan", revision="v1"))
told["snapshot"] = sorted(str(path.relative_to(snapshot)) for path in snapshot.rglob("*") if path.is_file())
told["snapshot of"] = snapshot.name
told["same samples"] = (snapshot / "samples/grid.png").read_bytes() == (folder / "samples/grid.png").read_bytes()
told["verified"] = api.verify_repo_checksums("ganzoo/dcgan", revision="v1").mismatches
metadata = get_safetensors_metadata("ganzoo/dcgan")
told["safetensors"] = metadata.files_metadata["model.safetensors"].parameter_count

told["missing file"] = refused(download, "none.json")
told["missing revision"] = refused(download, "config.json", "v2")
told["missing repository"] = refused(hf_hub_download, "ganzoo/none", "config.json")
told["private repository"] = refused(hf_hub_download, "someone/hidden", "config.json")
told["gated repository"] = refused(hf_hub_download, "someone/gated", "config.json")
told["wrong token"] = refused(api.whoami, token="hf_wrong")
told["checked"] = [refused(api.auth_check, name) for name in ("ganzoo/dcgan", "someone/gated", "someone/hidden")]
told["disabled"] = refused(api.auth_check, "someone/disabled")
told["checked for writing"] = refused(api.auth_check, "someone/theirs", write=True)
(folder / "README.md").write_text("---\nlicense: nonsense\n---\n")
told["bad card"] = refused(api.upload_folder, repo_id="ganzoo/dcgan", folder_path=folder)

api.delete_file("notes.txt", repo_id="ganzoo/dcgan")
told["delete missing"] = refused(api.delete_file, "notes.txt", repo_id="ganzoo/dcgan")
api.delete_folder("samples", repo_id="ganzoo/dcgan")
told["files left"] = api.list_repo_files("ganzoo/dcgan")
api.delete_tag("ganzoo/dcgan", tag="v1")
api.delete_branch("ganzoo/dcgan", branch="trial")
refs = api.list_repo_refs("ganzoo/dcgan", include_pull_requests=True)
told["refs left"] = [ref.ref for ref in [*refs.branches, *refs.tags, *refs.pull_requests]]
api.move_repo("lab/secret", "ganzoo/moved")
told["moved"] = [api.model_info("lab/secret").id, Path(hf_hub_download("lab/secret", ".gitattributes")).read_text()]
api.update_repo_settings("ganzoo/moved", gated="manual", private=False)
told["settings"] = [api.model_info("ganzoo/moved").gated, api.model_info("ganzoo/moved").private]
api.delete_repo("ganzoo/moved")
told["delete missing repository"] = refused(api.delete_repo, "ganzoo/moved")
json.dump(told, sys.stdout)
