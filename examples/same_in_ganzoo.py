"""The program of `bare_pytorch.py` in ganzoo: with checkpoints, exact resume, a log and a progress bar besides.

Run: python examples/same_in_ganzoo.py DIR, with the idx files of MNIST in DIR; without DIR it takes the bundled test
images.
"""

import sys

import ganzoo


def main(data: str) -> None:
    trainer = ganzoo.Trainer("mlp", "non_saturating", data, images=3 * 60_000, run="runs/same-in-ganzoo")
    gan = trainer.fit()
    gan.draw(64, seed=0).save("samples.png")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "mnist-test")
