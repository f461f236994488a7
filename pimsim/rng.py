"""Random numbers that depend on names and counters, never on the order of drawing.

Which question this module answers: *how does the same seed give the same chip and the same noise,
whatever the batch size, the number of threads or the order of the work?*

:func:`for_` gives a NumPy generator for a purpose with a stable name (``"blocks.0.attn.query"``,
``"cells"``); compiled kernels take a :func:`key` and derive every draw from it and a counter
(row, bit-plane, slice, row group, column). Both hash their names with BLAKE2b, so adding a name
elsewhere in the program moves no draw here.
"""

import hashlib
from operator import index
from typing import Final

import numpy as np

_PERSON: Final = b"pimsim-rng-1"
"""Domain of the hash; a new value would change every random number of every run."""


def key(seed: int, *names: str | int) -> int:
    """Return the 64-bit key that stands for ``seed`` and a path of names.

    Parameters
    ----------
    seed
        The run's seed, ``>= 0``.
    *names
        Stable names or indices from the general to the particular. ``"1"`` and ``1`` differ; an
        integer of NumPy and an equal one of Python do not.

    Returns
    -------
    int
        ``0 <= key < 2**64``.

    Raises
    ------
    TypeError
        If a name is neither text nor a whole number.
    ValueError
        If ``seed`` is negative.

    Examples
    --------
    >>> key(0, "chip", 0, "cells") == key(0, "chip", 0, "cells")
    True
    >>> key(0, "chip", 0) != key(0, "chip", "0")
    True
    """
    return int.from_bytes(_digest(seed, names)[:8], "little")


def for_(seed: int, *names: str | int) -> np.random.Generator:
    """Return a generator of its own for ``seed`` and a path of names.

    Parameters and errors are those of :func:`key`. The stream is NumPy's Philox, keyed by 128 bits.

    Examples
    --------
    >>> float(for_(0, "cells").random()) == float(for_(0, "cells").random())
    True
    """
    digest = _digest(seed, names)
    philox_key = np.frombuffer(digest[:16], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=philox_key))


def _digest(seed: int, names: tuple[str | int, ...]) -> bytes:
    if seed < 0:
        raise ValueError(f"seed must be 0 or more, got {seed}")
    parts = [f"i{index(seed)}"]
    parts += [f"s{name}" if isinstance(name, str) else f"i{index(name)}" for name in names]
    message = b"".join(len(part.encode()).to_bytes(4, "little") + part.encode() for part in parts)
    return hashlib.blake2b(message, digest_size=32, person=_PERSON).digest()
