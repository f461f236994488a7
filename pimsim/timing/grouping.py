"""Tokens that move through the replay together.

Which question this module answers: *which tokens of an operation are one step of the replay, and
how much of a total falls to each step?*

With groups of one token a step is a token and the replay is exact. Larger groups cost accuracy: a
stage hands a group on when its last token is done, so that a pipeline fills and drains in groups,
and the latency comes out too long. What that costs grows with the group and falls with the length
of the sequence. Layer by layer the slowest stage of each operation hides it: BERT-base on RAP, 512
tokens, groups of 8, loses 0.07 %. Where tokens stream, every wait for all tokens of a layer fills
the pipeline anew: 128 tokens in groups of 8 lose 13 %, so small groups and long sequences are due.
Groups end where an element of a batch does.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pimsim.mapping.mapped import MappedOp


def split(total: int, parts: int) -> tuple[int, ...]:
    """Spread an integer over equal parts, without loss.

    Examples
    --------
    >>> split(10, 4)
    (2, 3, 2, 3)
    """
    return tuple(
        stop - start for start, stop in pairwise(total * n // parts for n in range(parts + 1))
    )


@dataclass(frozen=True, slots=True)
class Steps:
    """How the tokens of one operation are cut into steps."""

    bounds: tuple[int, ...]
    """First token of each step, and at the end the number of tokens."""

    @property
    def count(self) -> int:
        """Number of steps."""
        return len(self.bounds) - 1

    @property
    def tokens(self) -> int:
        """Number of tokens."""
        return self.bounds[-1]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Tokens of each step."""
        return tuple(stop - start for start, stop in pairwise(self.bounds))

    def spread(self, total: int) -> tuple[int, ...]:
        """Share of each step in a total that is spread evenly over the tokens.

        Examples
        --------
        >>> Steps((0, 2, 3)).spread(10), split(10, 3)
        ((6, 4), (3, 3, 4))
        """
        tokens = self.tokens
        return tuple(
            stop - start
            for start, stop in pairwise(total * bound // tokens for bound in self.bounds)
        )

    def summed(self, per_token: NDArray[np.int64]) -> tuple[int, ...]:
        """Sum of an amount per token over each step."""
        whole = np.concatenate([[0], np.cumsum(per_token)])
        sums: list[int] = np.diff(whole[list(self.bounds)]).tolist()
        return tuple(sums)

    def reached(self, tokens: NDArray[np.int64]) -> NDArray[np.int64]:
        """How many steps must be done for the first ``tokens`` tokens to be done."""
        return np.searchsorted(np.array(self.bounds), tokens, side="left")

    def passed(self, tokens: NDArray[np.int64]) -> NDArray[np.int64]:
        """How many steps are done with when nobody needs the first ``tokens`` tokens any more."""
        return np.searchsorted(np.array(self.bounds), tokens, side="right") - 1


def steps_of(mapped_op: MappedOp, batch: int, token_group: int, stored_matrices: int = 0) -> Steps:
    """Cut the tokens of an operation into groups.

    Parameters
    ----------
    mapped_op
        The operation.
    batch
        Inputs per inference; groups end where the tokens of one do.
    token_group
        Tokens of a group, apart from the last one of an input.
    stored_matrices
        Operands that a dynamic product writes one after another; groups end with their vectors.
    """
    tokens = mapped_op.tokens
    parts = stored_matrices or (batch if tokens % batch == 0 else 1)
    length = tokens // parts
    if not tokens or token_group == 1:
        return Steps(tuple(range(tokens + 1)))
    starts = [
        part * length + offset for part in range(parts) for offset in range(0, length, token_group)
    ]
    return Steps((*starts, tokens))
