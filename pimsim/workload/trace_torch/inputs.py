"""Understand what a model is given: names, example values, and which axes are dimensions.

Which question this module answers: *which inputs does the model take, and which of their axes may
have any length?*
"""

import inspect
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import torch
from torch import nn

from pimsim.errors import WorkloadError, nearest

BATCH: Final = "batch"
SEQUENCE: Final = "seq"

_LARGEST_SEQUENCE_RANK: Final = 3
"""(batch, tokens, features): an input of floating type with more axes is an image."""

Examples: TypeAlias = "Sequence[torch.Tensor | None] | Mapping[str, torch.Tensor] | torch.Tensor"
"""One tensor per argument of ``forward``, ``None`` to leave one out; or tensors by name."""

Dynamic = Iterable[str] | Mapping[str, Mapping[int, str]] | None
"""``("batch", "seq")``, or input name to {axis: dimension name}."""


@dataclass(frozen=True, slots=True)
class ModelInputs:
    """The inputs of a model that is about to be exported."""

    names: tuple[str, ...]
    """Arguments of ``forward``, in its order."""
    given: tuple[torch.Tensor, ...]
    """Example values as the caller gave them, on the device of the model."""
    axes: tuple[Mapping[int, str], ...]
    """For each input: axis to dimension."""
    required: frozenset[str]
    """Dimensions that were asked for: that the model fixes one is an error."""
    positional: frozenset[str]
    """Arguments that cannot be given by name."""

    @property
    def examples(self) -> tuple[torch.Tensor, ...]:
        """Example values whose dimensions have lengths of 2 or more."""
        return tuple(map(_repeated, self.given, self.axes))

    @property
    def optional(self) -> frozenset[str]:
        """Dimensions that the model need not allow."""
        return frozenset(name for axes in self.axes for name in axes.values()) - self.required

    def without(self, dimensions: Container[str]) -> "ModelInputs":
        """The same inputs with axes of these dimensions fixed at their example's length."""
        axes = tuple(
            {axis: name for axis, name in chosen.items() if name not in dimensions}
            for chosen in self.axes
        )
        return replace(self, axes=axes)


def model_inputs(model: nn.Module, examples: Examples, dynamic: Dynamic) -> ModelInputs:
    """Bind example inputs to the arguments of ``forward`` and decide which axes are dimensions.

    Parameters
    ----------
    model
        Only the signature of its ``forward`` is looked at.
    examples
        See :data:`Examples`. An axis of length 1 that is a dimension is repeated to 2, because
        ``torch.export`` cannot tell it from a constant.
    dynamic
        See :data:`Dynamic`; ``None`` is batch, and seq where the model allows it.

    Raises
    ------
    WorkloadError
        If the examples are not tensors or do not fit ``forward``, or ``dynamic`` names an input or
        axis that there is not.
    """
    given = _bound(model, examples)
    names = tuple(given)
    tensors = tuple(given.values())
    parameters = inspect.signature(model.forward).parameters
    positional = {
        name
        for name in names
        if name in parameters and parameters[name].kind is inspect.Parameter.POSITIONAL_ONLY
    }
    axes, required = _axes(given, dynamic)
    device = _device(model)
    return ModelInputs(
        names,
        tuple(tensor.to(device).contiguous() for tensor in tensors),
        axes,
        required,
        frozenset(positional),
    )


def _bound(model: nn.Module, examples: Examples) -> dict[str, torch.Tensor]:
    """Example inputs by the name of their argument."""
    by_name = examples if isinstance(examples, Mapping) else {}
    one = (examples,) if isinstance(examples, torch.Tensor) else examples
    in_order = () if isinstance(one, Mapping) else tuple(one)
    wrong = [
        type(value).__name__
        for value in (*in_order, *by_name.values())
        if value is not None and not isinstance(value, torch.Tensor)
    ]
    if wrong or not (in_order or by_name):
        raise WorkloadError(
            "example inputs must be tensors, one per argument of forward; got "
            f"{', '.join(wrong) or 'nothing'}"
        )
    signature = inspect.signature(model.forward)
    try:
        bound = signature.bind(*in_order, **by_name)
    except TypeError as error:
        raise WorkloadError(
            f"{len(in_order) or len(by_name)} example inputs do not fit "
            f"{type(model).__name__}.forward: {error}"
        ) from None
    given: dict[str, torch.Tensor] = {}
    for name, value in bound.arguments.items():
        kind = signature.parameters[name].kind
        if kind is inspect.Parameter.VAR_POSITIONAL:
            raise WorkloadError(
                f"{type(model).__name__}.forward takes *{name}; wrap the model so that every input "
                "is an argument with a name"
            )
        found = value if kind is inspect.Parameter.VAR_KEYWORD else {name: value}
        given |= {key: tensor for key, tensor in found.items() if tensor is not None}
    return given


def _device(model: nn.Module) -> torch.device:
    """Where the model is; all of it must be in one place."""
    places = {str(tensor.device): path for path, tensor in model.named_parameters()}
    places |= {str(tensor.device): path for path, tensor in model.named_buffers()}
    if len(places) > 1:
        listed = ", ".join(f"{path!r} on {device}" for device, path in sorted(places.items()))
        raise WorkloadError(
            f"the model is spread over {len(places)} devices ({listed}); build it, buffers "
            "included, on one: with torch.device('meta'): for shapes only"
        )
    return torch.device(next(iter(places), "cpu"))


def _axes(
    given: Mapping[str, torch.Tensor], dynamic: Dynamic
) -> tuple[tuple[Mapping[int, str], ...], frozenset[str]]:
    """Axes of each input that are dimensions, and the dimensions that must come out as such."""
    axes: tuple[Mapping[int, str], ...]
    if isinstance(dynamic, Mapping):
        _check_mapping(given, dynamic)
        axes = tuple(dict(dynamic.get(name, {})) for name in given)
        return axes, frozenset(name for chosen in axes for name in chosen.values())
    if dynamic is None:
        return _default_axes(given, frozenset({BATCH, SEQUENCE})), frozenset({BATCH})
    wanted = frozenset([dynamic] if isinstance(dynamic, str) else dynamic)
    for name in sorted(wanted - {BATCH, SEQUENCE}):
        raise WorkloadError(
            f"dynamic names the dimension {name!r}; known are 'batch' (axis 0 of every input) and "
            "'seq' (axis 1). For other axes give a mapping: {'image': {0: 'batch', 2: 'height'}}"
        )
    axes = _default_axes(given, wanted)
    found = {name for chosen in axes for name in chosen.values()}
    if SEQUENCE in wanted and SEQUENCE not in found:
        listed = ", ".join(f"{name!r} {tuple(tensor.shape)}" for name, tensor in given.items())
        raise WorkloadError(
            "dynamic asks for 'seq', axis 1 of inputs with integer elements or with at most three "
            f"axes, but no input has such an axis: {listed}"
        )
    return axes, frozenset(found)


def _default_axes(
    given: Mapping[str, torch.Tensor], wanted: frozenset[str]
) -> tuple[Mapping[int, str], ...]:
    """Axis 0 is batch, axis 1 seq; a sequence of another length has a dimension of its own."""
    lengths: dict[int, str] = {}
    axes = []
    for name, tensor in given.items():
        chosen: dict[int, str] = {}
        if BATCH in wanted and tensor.dim():
            chosen[0] = BATCH
        if SEQUENCE in wanted and _has_sequence(tensor):
            length = tensor.shape[1]
            own = f"{name}_{SEQUENCE}" if lengths else SEQUENCE
            chosen[1] = lengths.setdefault(length, own)
        axes.append(chosen)
    return tuple(axes)


def _has_sequence(tensor: torch.Tensor) -> bool:
    small = tensor.dim() <= _LARGEST_SEQUENCE_RANK or not tensor.is_floating_point()
    return tensor.dim() > 1 and small


def _check_mapping(
    given: Mapping[str, torch.Tensor], dynamic: Mapping[str, Mapping[int, str]]
) -> None:
    for name, axes in dynamic.items():
        if name not in given:
            raise WorkloadError(
                f"dynamic names the input {name!r}, which forward does not have"
                f"{nearest(name, given)}"
            )
        for axis, dimension in axes.items():
            if not 0 <= axis < given[name].dim():
                raise WorkloadError(
                    f"dynamic: input {name!r} has {given[name].dim()} axes, no axis {axis}"
                )
            if not dimension.isidentifier():
                raise WorkloadError(
                    f"dynamic: input {name!r}, axis {axis}: {dimension!r} is no name; use letters, "
                    "digits and '_'"
                )


def _repeated(example: torch.Tensor, axes: Mapping[int, str]) -> torch.Tensor:
    for axis in axes:
        if example.shape[axis] == 1:
            example = torch.cat([example, example], dim=axis)
    return example
