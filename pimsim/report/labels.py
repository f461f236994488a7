"""Labels beside the points of a figure, none over another.

Which question this module answers: *where do labels go so that all of them can be read?*
"""

import numpy as np
from numpy.typing import NDArray


def spread(positions: NDArray[np.float64], room: float) -> NDArray[np.float64]:
    """Move positions apart until neighbours have ``room``, each cluster around its own middle.

    Examples
    --------
    >>> spread(np.array([0.9, 0.5, 0.52]), 0.1).round(3).tolist()
    [0.9, 0.46, 0.56]
    """
    order = np.argsort(positions, kind="stable")
    clusters: list[list[int]] = []
    for index in order.tolist():
        clusters.append([index])
        while len(clusters) > 1 and _overlap(clusters[-2], clusters[-1], positions, room):
            last = clusters.pop()
            clusters[-1] += last
    moved = positions.copy()
    for cluster in clusters:
        steps = np.arange(len(cluster)) - (len(cluster) - 1) / 2
        moved[cluster] = positions[cluster].mean() + room * steps
    return moved


def _overlap(low: list[int], high: list[int], positions: NDArray[np.float64], room: float) -> bool:
    top = positions[low].mean() + room * (len(low) - 1) / 2
    bottom = positions[high].mean() - room * (len(high) - 1) / 2
    return bool(bottom - top < room)


def confined(places: NDArray[np.float64], room: float) -> NDArray[np.float64]:
    """Move places that :func:`spread` has set apart into 0 to 1, as far as there is room.

    Examples
    --------
    >>> confined(np.array([-0.1, 0.0, 1.0]), 0.1).round(3).tolist()
    [0.0, 0.1, 1.0]
    """
    order = np.argsort(places, kind="stable")
    steps = room * np.arange(len(places))
    up = np.maximum(places[order], steps)
    down = np.minimum(up, 1.0 - steps[::-1])
    moved = places.copy()
    moved[order] = down
    return moved
