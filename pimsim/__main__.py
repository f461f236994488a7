"""``python -m pimsim``: the same as the ``pimsim`` command."""

from pimsim.cli.main import app

if __name__ == "__main__":
    app(prog_name="pimsim")
