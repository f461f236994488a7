"""Shapes of networks on chip: which links a transfer crosses.

Which question this module answers: *over which links, in which order, do bits get from one place to
another?*

A place is a tile or the global buffer, and every link has a queue of its own. The global buffer has
its own link pair to the router of tile 0 in a mesh, and its own port on a bus; so a transfer
between the global buffer and tile 0 crosses one link, like any between neighbours.

How a transfer holds its links is decided by :mod:`pimsim.timing.network`, equally for all shapes.
"""

import math
from typing import Final, final

from pimsim.mapping.traffic import Port

_PORT: Final = "global_buffer"


@final
class Mesh:
    """Two-dimensional mesh, rows filled from tile 0 on; packets go along x first, then along y.

    Dimension-ordered routing cannot deadlock [1]_. The mesh is as square as the number of tiles
    allows: ``ceil(sqrt(tiles))`` wide. Routers of a last row that is not full exist without tiles,
    so that every XY route does.

    References
    ----------
    .. [1] W. J. Dally, C. L. Seitz, Deadlock-Free Message Routing in Multiprocessor
       Interconnection Networks, IEEE Trans. Computers C-36, 1987.

    Examples
    --------
    >>> Mesh(4).route(0, 3)
    ('0>1', '1>3')
    >>> Mesh(4).route(3, None)
    ('3>2', '2>0', '0>global_buffer')
    """

    def __init__(self, tiles: int) -> None:
        self.width = math.isqrt(tiles - 1) + 1

    def route(self, source: Port, destination: Port) -> tuple[str, ...]:
        """Names of the directed links from one place to another, in order."""
        if source == destination:
            return ()
        at, goal = source or 0, destination or 0
        links = [f"{_PORT}>0"] if source is None else []
        while at != goal:
            x, y = at % self.width, at // self.width
            goal_x = goal % self.width
            if x != goal_x:
                step = at + (1 if goal_x > x else -1)
            else:
                step = at + (self.width if goal // self.width > y else -self.width)
            links.append(f"{at}>{step}")
            at = step
        if destination is None:
            links.append(f"0>{_PORT}")
        return tuple(links)


@final
class Bus:
    """One bus, shared by all tiles and the global buffer; one transfer at a time.

    Examples
    --------
    >>> Bus(4).route(0, 3), Bus(4).route(2, 2)
    (('bus',), ())
    """

    def __init__(self, tiles: int) -> None:
        self.tiles = tiles

    def route(self, source: Port, destination: Port) -> tuple[str, ...]:
        """The bus, unless both places are the same."""
        return () if source == destination else ("bus",)
