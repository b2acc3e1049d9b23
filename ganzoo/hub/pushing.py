"""Publishing a model's folder on the Hub: one commit, of listed files alone, on top of what was there."""

import logging
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import httpx2
from huggingface_hub import CommitOperationAdd, HfApi, RepoFile

from ganzoo import card, files
from ganzoo.config import LARGEST_CONFIG, ModelConfig
from ganzoo.errors import HubAccessError, HubConflictError, HubIntegrityError, InputError
from ganzoo.hub import MESSAGE
from ganzoo.hub.failures import explaining, shown
from ganzoo.hub.limits import TRIES, Limit, passes
from ganzoo.hub.repository import is_same, new_client
from ganzoo.sources import check_repository, check_revision

if TYPE_CHECKING:
    import torch

    from ganzoo.gan import GAN
    from ganzoo.models.condition import Condition

logger = logging.getLogger("ganzoo")


class Where(TypedDict, total=False):
    """The arguments of `GAN.push_to_hub`; see `Target`."""

    private: bool
    create_pr: bool
    revision: str | None
    token: str | bool | None
    endpoint: str | None
    commit_message: str
    overwrite_card: bool


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where to push, and how.

    Attributes:
        repo_id: The repository; made if there is none.
        private: Make it private; refused if it is there and public.
        create_pr: Open a pull request instead of changing the branch.
        revision: The branch, made if there is none; None for the default one.
        token: A token that may write; None for the one that `hf auth login` stored.
        endpoint: The Hub's address; None for `HF_ENDPOINT`, or the public one.
        commit_message: The commit's first line.
        overwrite_card: Replace a README.md that is there already.

    Raises:
        SourceError: It names no repository or no revision.
        InputError: A revision is given with a pull request, which always is to main; or there is no message.
    """

    repo_id: str
    private: bool = False
    create_pr: bool = False
    revision: str | None = None
    token: str | bool | None = field(default=None, repr=False)
    endpoint: str | None = None
    commit_message: str = MESSAGE
    overwrite_card: bool = False

    def __post_init__(self) -> None:
        check_repository(self.repo_id)
        if self.revision is not None:
            check_revision(self.revision)
        if self.create_pr and self.revision is not None:
            raise InputError(
                f"create_pr was given with revision={self.revision!r}; a pull request is to main, so give one"
            )
        if not self.commit_message.strip():
            raise InputError("the commit message is empty; give a line that says what changes")


@dataclass(frozen=True)
class Pushed:
    """What a push made.

    Attributes:
        commit: The commit that holds the model, 40 hex digits; the one before if nothing had changed.
        url: The commit's page, or the pull request's.
        sha256: The SHA-256 of each file that the commit now has of this model, by name.
    """

    commit: str
    url: str
    sha256: Mapping[str, str]


def push_model(gan: "GAN", target: Target, dtype: "torch.dtype | None" = None) -> Pushed:
    """Push a model from memory: weights, config.json, a model card and a picture of samples.

    `GAN.push_to_hub(repo_id, **where)` is this, with `private`, `create_pr`, `revision`, `token`, `endpoint`,
    `commit_message` and `overwrite_card` as in `Target`.

    Args:
        gan: The model.
        target: Where to push it, and how.
        dtype: What to store floating-point weights in; None: as they are.

    Raises:
        WeightsError: The networks are plain modules, which no registry could build again.
        HubError: The Hub refuses, or cannot be reached; pushing again does nothing twice.
    """
    with tempfile.TemporaryDirectory(prefix="ganzoo-push-") as made:
        folder = Path(made)
        gan.save_pretrained(folder, dtype=dtype)
        describe(folder, gan)
        return push_folder(folder, target)


def describe(folder: Path, gan: "GAN") -> None:
    """Give a model's folder what it lacks of a picture of samples and of a card.

    Args:
        folder: The folder.
        gan: The model in it.
    """
    from ganzoo.data.render import save_png

    config = ModelConfig.from_json((folder / "config.json").read_bytes())
    picture, readme = folder / card.PICTURE, folder / "README.md"
    text = readme.read_text(encoding="utf-8") if readme.exists() else None
    if text not in (None, card.model_card(config, gan.condition)):
        return  # somebody's own
    if not picture.exists() and is_drawn(gan.condition, gan.sample_shape):
        save_png(gan.draw(seed=0), picture)
    files.write_text(readme, card.model_card(config, gan.condition, picture=picture.exists()))


def is_drawn(condition: "Condition", sample_shape: tuple[int, ...]) -> bool:
    """Tell whether samples can be drawn with nothing given but a seed."""
    return condition.kind in ("none", "label") and len(sample_shape) in (1, 3)


def push_folder(folder: Path, target: Target) -> Pushed:
    """Push a model's folder: config.json, the weights that it names, the picture and the card, and nothing else.

    Args:
        folder: What `save_pretrained` wrote.
        target: Where to push it.

    Raises:
        HubAccessError: The Hub does not let this user write there.
        HubConflictError: Somebody else changed the repository meanwhile.
        HubError: The push failed in another way; it may be made again, and nothing is done twice.
    """
    client = new_client(target.endpoint, target.token)
    at = "as a pull request" if target.create_pr else f"revision {target.revision or 'main'!r}"
    what = f"cannot push to {target.repo_id!r} ({at})"
    push = _Push(client, target, Limit(what, client.endpoint), what)
    with explaining(what, shown(f"{client.endpoint}/{target.repo_id}"), target.token):
        return push.run(folder)


class _Push:
    """One push, step by step."""

    def __init__(self, client: HfApi, target: Target, limit: Limit, what: str) -> None:
        self._client, self._target, self._limit, self._what = client, target, limit, what

    def run(self, folder: Path) -> Pushed:
        contents = self._contents(folder)
        self._limit.allow(sum(path.stat().st_size for path in contents.values()))
        self._prepare()
        target, client = self._target, self._client
        head = self._head()
        if target.private and not head.private:
            raise HubAccessError(
                f"{self._what}: the repository is public, and private=True was asked for; make it private on "
                f"{shown(client.endpoint)}/{target.repo_id}/settings, or push without private"
            )
        there = {} if target.overwrite_card else self._there(["README.md"], head.sha)
        if there and not is_same(contents.pop("README.md"), there["README.md"]):
            logger.warning(
                "%s has another card, which is kept; --overwrite-card (or overwrite_card=True) replaces it",
                target.repo_id,
            )
        commit, url = self._commit(contents, head.sha)
        if wrong := self._differing(contents, commit):
            raise HubIntegrityError(
                f"{self._what}: the Hub holds something else than was sent of {', '.join(wrong)}; push again"
            )
        return Pushed(commit, shown(url), {name: files.sha256(path) for name, path in contents.items()})

    def _contents(self, folder: Path) -> dict[str, Path]:
        text = (folder / "config.json").read_bytes()[: LARGEST_CONFIG + 1]
        names = ["config.json", *(network.file for network in ModelConfig.from_json(text).networks.values())]
        contents = {name: folder / name for name in names if name}
        if (folder / card.PICTURE).exists():
            contents[card.PICTURE] = folder / card.PICTURE
        readme = folder / "README.md"
        files.write_text(readme, card.on_hub(readme.read_text(encoding="utf-8"), self._target.repo_id))
        return contents | {"README.md": readme}

    def _prepare(self) -> None:
        """Make the repository and the branch where they are not there."""
        target, client = self._target, self._client
        private = True if target.private else None  # None leaves it to what the organization chose
        self._limit.retry(lambda: client.create_repo(target.repo_id, private=private, exist_ok=True))
        if target.revision not in (None, "main") and not str(target.revision).startswith("refs/"):
            branch = str(target.revision)
            self._limit.retry(lambda: client.create_branch(target.repo_id, branch=branch, exist_ok=True))

    def _head(self) -> Any:
        target = self._target
        return self._limit.retry(lambda: self._client.repo_info(target.repo_id, revision=target.revision))

    def _commit(self, contents: Mapping[str, Path], parent: str) -> tuple[str, str]:
        """Commit, and again if that broke off without having landed."""
        target, client = self._target, self._client

        def commit() -> Any:
            operations = [CommitOperationAdd(name, path) for name, path in contents.items()]
            for operation in operations:
                # One by one: several would go to a pool of threads, which is not told of the limit, and whose threads
                # Python waits for at its exit, however long a server makes them sleep.
                client.preupload_lfs_files(
                    target.repo_id,
                    [operation],
                    revision=target.revision,
                    create_pr=target.create_pr,
                    num_threads=1,
                    free_memory=False,
                )
            return client.create_commit(
                target.repo_id,
                operations,
                commit_message=target.commit_message,
                revision=target.revision,
                create_pr=target.create_pr,
                parent_commit=parent,
                num_threads=1,
            )

        for tries_left in reversed(range(TRIES)):
            try:
                info = self._limit.run(commit)
                return info.oid, info.pr_url or info.commit_url
            except (httpx2.TransportError, OSError) as error:
                # A pull request that may have been opened cannot be told from one that was not.
                if not passes(error) or target.create_pr:
                    raise
                head = self._head().sha
                if head != parent:
                    if self._differing(contents, head):
                        raise HubConflictError(
                            f"{self._what}: somebody else changed the repository meanwhile; look at it, and push again"
                        ) from error
                    return head, f"{client.endpoint}/{target.repo_id}/commit/{head}"
                if not tries_left:
                    raise
        raise self._limit.over()

    def _there(self, names: list[str], commit: str) -> dict[str, RepoFile]:
        repo_id = self._target.repo_id
        found = self._limit.retry(lambda: self._client.get_paths_info(repo_id, names, revision=commit))
        return {each.path: each for each in found if isinstance(each, RepoFile)}

    def _differing(self, contents: Mapping[str, Path], commit: str) -> list[str]:
        """Return the files that a commit does not have as they are here."""
        there = self._there(list(contents), commit)
        return [name for name, path in contents.items() if name not in there or not is_same(path, there[name])]
