"""Texts as language models see them: limits of their length, windows of tokens, next tokens.

Which question this module answers: *how long may a text be, and which token comes next?*
"""

from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pimsim.errors import InputError
from pimsim.workload.graph import Workload

EXAMPLE_SHAPE: Final = (2, 11)
"""Texts and tokens of the inputs that are traced; a model's sizes are no multiples of 11."""


def up_to(workload: Workload, config: Any) -> Workload:
    """Limit ``seq`` to the positions that a model was made for.

    A table of positions limits the traced graph by itself; rotary positions go on for ever, but
    beyond ``max_position_embeddings`` the model was never trained.
    """
    if "seq" not in workload.dims:
        return workload
    low, high = workload.dims["seq"]
    limits = (low, min(high, int(config.max_position_embeddings)))
    return replace(workload, dims={**workload.dims, "seq": limits})


def windows(
    texts: list[NDArray[np.int64]], tokens: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Cut the beginning of each tokenized text and find the token that follows each of its tokens.

    Parameters
    ----------
    texts
        Token ids, one array per text.
    tokens
        Length of a window.

    Returns
    -------
    tuple
        Inputs and labels, both (texts, tokens); ``labels[i, t]`` is the token after
        ``inputs[i, t]``.

    Raises
    ------
    InputError
        If a text has no ``tokens + 1`` tokens.
    """
    shortest = min(map(len, texts))
    if shortest < tokens + 1:
        raise InputError(
            f"windows of {tokens} tokens need texts of {tokens + 1}, but one has {shortest}; make "
            "the windows shorter"
        )
    cut = np.stack([text[: tokens + 1] for text in texts])
    return cut[:, :-1].copy(), cut[:, 1:].copy()
