"""How a trace tells how far it is.

Which question this module answers: *what does whoever waits for a trace get to see?*
"""

from typing import Protocol


class Progress(Protocol):
    """What a trace tells about how far it is."""

    def stage(self, name: str, total: int | None) -> None:
        """A new stage begins, with ``total`` steps if known."""
        ...

    def advance(self, n: int = 1) -> None:
        """``n`` steps of the stage are done."""
        ...


class Silent:
    """Progress that nobody watches."""

    def stage(self, name: str, total: int | None) -> None:
        """Ignore the stage."""

    def advance(self, n: int = 1) -> None:
        """Ignore the steps."""
