"""`ganzoo progress`: how a run went, or goes, as a picture and an animation."""

from pathlib import Path

import click

from ganzoo.cli.endings import FileEnding
from ganzoo.errors import InputError


@click.command(short_help="Draw a run's losses, D(x), D(G(z)) and samples.")
@click.argument("run", type=click.Path(file_okay=False, path_type=Path))
@click.option("--out", type=FileEnding(".png"), help="The PNG.  [default: RUN/progress.png]")
@click.option("--gif", type=FileEnding(".gif"), help="Write the fixed samples as an animated GIF too.")
def progress(run: Path, out: Path | None, gif: Path | None) -> None:
    """Draw the curves of the run in folder RUN over images shown, and its fixed samples below, also while it trains.

    Example: ganzoo progress runs/mlp-mnist-test-1 --gif samples.gif
    """
    if not run.is_dir():
        raise InputError(f"there is no folder {str(run)!r}; give a run's, as `ganzoo runs` lists them")

    from ganzoo.data.render import save_png
    from ganzoo.training.progress import draw_progress, save_animation

    out = out or run / "progress.png"
    save_png(draw_progress(run), out)
    click.echo(f"wrote {out}")
    if gif is not None:
        shown = save_animation(run, gif)
        click.echo(f"wrote {shown} pictures to {gif}")
