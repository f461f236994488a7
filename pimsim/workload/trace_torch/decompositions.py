"""Which ATen operations torch takes apart before lowering, and into what.

Which question this module answers: *in which operations does a graph reach the lowerings?*

Products, softmax, normalizations, GELU and SiLU stay whole. Attention that PyTorch fuses is taken
apart in the way it is written by hand, with the scale after Q·Kᵀ, so that both give the same
operations and the same operand ranges; PyTorch's own decomposition scales both factors by the
root of the scale. Operations that are rare or are made of others are composed.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import torch
from torch._decomp import get_decompositions

_WHOLE: Final = (
    "linear.default",
    "matmul.default",
    "softmax.int",
    "layer_norm.default",
    "rms_norm.default",
    "gelu.default",
    "silu.default",
)

_COMPOSED: Final = (
    "_log_softmax.default",
    "native_layer_norm.default",
    "native_group_norm.default",
    "_native_batch_norm_legit.default",
    "_native_batch_norm_legit_no_training.default",
    "elu.default",
    "leaky_relu.default",
    "index_select.default",
    "slice_scatter.default",
    "upsample_bilinear2d.vec",
    "upsample_nearest2d.vec",
    "_adaptive_avg_pool2d.default",
    "sinh.default",
    "cosh.default",
)
"""Core operations that torch can compose from others but leaves alone by default."""


def decompositions() -> dict[Any, Callable[..., Any]]:
    """Return the table for ``ExportedProgram.run_decompositions``."""
    table: Any = torch.export.default_decompositions()
    for name in _WHOLE:
        table.pop(_operation(name), None)
    for operation, composition in get_decompositions(
        [_operation(name) for name in _COMPOSED]
    ).items():
        table[operation] = composition
    table[_operation("scaled_dot_product_attention.default")] = _attention
    einsum = _operation("einsum.default")
    table[einsum] = partial(_einsum, table[einsum])
    chosen: dict[Any, Callable[..., Any]] = table
    return chosen


def _operation(name: str) -> Any:
    """The ATen operation called ``<name>.<overload>``."""
    packet, overload = name.split(".")
    return getattr(getattr(torch.ops.aten, packet), overload)


def _attention(  # noqa: PLR0917  PyTorch's own signature
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> torch.Tensor:
    """Scaled dot-product attention as the documentation of PyTorch's function defines it.

    A row without any key that may be attended to gives zeros, as there.
    """
    factor = 1.0 / math.sqrt(query.size(-1)) if scale is None else scale
    if enable_gqa and query.size(-3) != key.size(-3):
        key, value = (_for_all_heads(x, query.size(-3) // x.size(-3)) for x in (key, value))
    logits = torch.matmul(query, key.transpose(-2, -1)) * factor
    if is_causal:
        rows = torch.arange(query.size(-2), device=query.device).unsqueeze(-1)
        columns = torch.arange(key.size(-2), device=query.device)
        logits = torch.where(columns <= rows, logits, -math.inf)
    keep: torch.Tensor | None = None
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        keep = attn_mask
        logits = torch.where(keep, logits, -math.inf)
    elif attn_mask is not None:
        logits = logits + attn_mask
    weights = torch.softmax(logits, dim=-1)
    if dropout_p > 0.0:
        weights = torch.dropout(weights, dropout_p, train=True)
    context = torch.matmul(weights, value)
    if keep is not None:
        context = torch.where(keep.any(-1, keepdim=True), context, 0.0)
    return context


def _for_all_heads(x: torch.Tensor, times: int) -> torch.Tensor:
    """Repeat each head of keys or values for the queries that share it."""
    *leading, heads, length, width = x.shape
    wide = x.unsqueeze(-3).expand(*leading, heads, times, length, width)
    return wide.reshape(*leading, heads * times, length, width)


def _einsum(
    general: Callable[..., torch.Tensor],
    equation: str,
    tensors: Sequence[torch.Tensor],
    path: Sequence[int] | None = None,
) -> torch.Tensor:
    """A sum of products as one matrix product, heads and batch apart.

    ``general`` is PyTorch's own decomposition, for anything but two factors. It merges all axes
    that both factors share into one, which hides the heads of attention and asks for views that a
    dynamic length does not allow.
    """
    terms, _, result = equation.replace(" ", "").partition("->")
    labels = terms.split(",")
    plain = "->" in equation and "." not in equation and len(labels) == len(tensors) == 2
    if not plain or any(len(set(term)) < len(term) for term in labels):
        return general(equation, tensors, path=path)
    first, second = labels
    a, b = tensors
    a, first = _summed(a, first, second + result)
    b, second = _summed(b, second, first + result)
    shared = [label for label in result if label in first and label in second]
    rows = [label for label in result if label in first and label not in second]
    columns = [label for label in result if label in second and label not in first]
    inner = [label for label in first if label in second and label not in result]
    sizes = dict(zip(first, a.shape, strict=True)) | dict(zip(second, b.shape, strict=True))
    a = a.permute([first.index(label) for label in (*shared, *rows, *inner)])
    b = b.permute([second.index(label) for label in (*shared, *inner, *columns)])
    leading = [sizes[label] for label in shared]
    kept = [sizes[label] for label in rows]
    wide = [sizes[label] for label in columns]
    depth = math.prod(sizes[label] for label in inner)
    if len(inner) != 1:
        a = a.contiguous().view([*leading, *kept, depth])
    if len(inner) != 1 or len(columns) != 1:
        b = b.contiguous().view([*leading, depth, math.prod(wide)])
    if not rows:
        a = a.unsqueeze(-2)
    if shared:
        for _ in rows[1:]:
            b = b.unsqueeze(len(shared))
    product = torch.matmul(a, b)
    if not rows or len(columns) != 1:
        product = product.view([*leading, *kept, *wide])
    order = [*shared, *rows, *columns]
    return product.permute([order.index(label) for label in result])


def _summed(x: torch.Tensor, labels: str, elsewhere: str) -> tuple[torch.Tensor, str]:
    """Sum over the axes that neither the other factor nor the result has."""
    alone = [axis for axis, label in enumerate(labels) if label not in elsewhere]
    if not alone:
        return x, labels
    return x.sum(alone), "".join(label for label in labels if label in elsewhere)
