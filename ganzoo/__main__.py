"""`python -m ganzoo` is the `ganzoo` command."""

from ganzoo.cli import main

if __name__ == "__main__":
    main()
