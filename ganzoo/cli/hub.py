"""`ganzoo push`, `ganzoo card` and `ganzoo publish-zoo`: models for others."""

from collections.abc import Callable
from typing import Any

import click

from ganzoo.errors import InputError
from ganzoo.hub import MESSAGE
from ganzoo.sources import LOCAL


def where(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that both pushing commands take."""
    options = (
        click.option("--private", is_flag=True, help="Make the repository private."),
        click.option("--message", default=MESSAGE, show_default=True, help="The commit's first line."),
        click.option("--overwrite-card", is_flag=True, help="Replace a README.md that the repository has."),
        click.option("--endpoint", help="The Hub's address.  [default: HF_ENDPOINT, or https://huggingface.co]"),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.command(short_help="Publish a model on the Hugging Face Hub.")
@click.argument("source")
@click.argument("repository", metavar="ORG/NAME")
@click.option("--create-pr", is_flag=True, help="Open a pull request instead of changing the branch.")
@click.option("--revision", help="The branch to push to; made if there is none.  [default: main]")
@where
def push(
    source: str,
    repository: str,
    create_pr: bool,
    revision: str | None,
    private: bool,
    message: str,
    overwrite_card: bool,
    endpoint: str | None,
) -> None:
    """Push the model SOURCE (a name, hf-hub:ORG/NAME or local-dir:PATH) to ORG/NAME, made if there is none.

    Its weights go there byte for byte, with config.json, a picture of samples and a model card. Log in first, with
    hf auth login.

    Example: ganzoo push local-dir:runs/digits/model someone/digits
    """
    from ganzoo import publishing
    from ganzoo.hub.pushing import Target

    target = Target(
        repo_id=repository,
        private=private,
        create_pr=create_pr,
        revision=revision,
        endpoint=endpoint,
        commit_message=message,
        overwrite_card=overwrite_card,
    )
    done = publishing.push(source, target)
    click.echo(f"pushed {source} to {done.url}")
    click.echo(f"load it with ganzoo.load('hf-hub:{repository}@{done.commit}')")


@click.command(short_help="Write a model card.")
@click.argument("folder")
@click.option("--overwrite", is_flag=True, help="Replace a README.md of your own.")
def card(folder: str, overwrite: bool) -> None:
    """Write README.md, the model card, in FOLDER, which save_pretrained or a run wrote, from its config.json.

    Example: ganzoo card runs/digits/model
    """
    from ganzoo import files, zoo
    from ganzoo.card import PICTURE, model_card

    place = files.from_home(folder.removeprefix(LOCAL))
    gan, readme = zoo.load(place), place / "README.md"
    text = model_card(gan.config, gan.condition, picture=(readme.parent / PICTURE).exists())
    if readme.exists() and readme.read_bytes() != text.encode() and not overwrite:
        raise InputError(f"{str(readme)!r} is there and says something else; --overwrite replaces it")
    files.write_text(readme, text)
    click.echo(f"wrote {readme}")


@click.command("publish-zoo", short_help="Publish every bundled model.")
@click.argument("organization")
@where
def publish_zoo(organization: str, private: bool, message: str, overwrite_card: bool, endpoint: str | None) -> None:
    """Push every bundled model to ORGANIZATION/NAME, and write down the commits in a source checkout of ganzoo.

    Then ganzoo.load("NAME@REV") loads a model from there.
    """
    from ganzoo import publishing
    from ganzoo.hub.pushing import Target

    target = Target(
        repo_id=f"{organization}/NAME",
        private=private,
        endpoint=endpoint,
        commit_message=message,
        overwrite_card=overwrite_card,
    )
    publishing.publish_zoo(organization, target, report=click.echo)
