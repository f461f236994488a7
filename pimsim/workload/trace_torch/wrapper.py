"""Call a model the same way for export and for comparison.

Which question this module answers: *what does the model return, as tensors with names?*
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import fields, is_dataclass
from typing import Any, Final, final

import torch
from torch import nn

from pimsim.errors import WorkloadError
from pimsim.workload.trace_torch.inputs import ModelInputs
from pimsim.workload.trace_torch.places import MODEL_ATTRIBUTE

_CACHES: Final = frozenset(
    {"past_key_values", "past_key_value", "cache_params", "mems", "encoder_outputs"}
)
"""Fields of an output that hold state for a next call, by transformers' names."""


@final
class _Record:
    """What a call leaves behind; ``torch.export`` resets the attributes of modules."""

    def __init__(self) -> None:
        self.names: tuple[str | None, ...] = ()


@final
class Wrapper(nn.Module):
    """A model that takes tensors by position and returns a list of tensors."""

    def __init__(self, model: nn.Module, inputs: ModelInputs) -> None:
        super().__init__()
        setattr(self, MODEL_ATTRIBUTE, model)
        self.training = False  # the model is in evaluation mode already
        self._inputs = inputs
        self._record = _Record()

    def forward(self, *tensors: torch.Tensor) -> list[torch.Tensor]:
        """Run the model and keep the tensors of what it returns."""
        given = dict(zip(self._inputs.names, tensors, strict=True))
        positional = [given.pop(name) for name in self._inputs.names[: self._leading()]]
        result = getattr(self, MODEL_ATTRIBUTE)(*positional, **given)
        found = list(_tensors(result, None))
        if not found:
            raise WorkloadError(
                f"{type(getattr(self, MODEL_ATTRIBUTE)).__name__} returns no tensor but a "
                f"{type(result).__name__}; the model must return one or more tensors"
            )
        self._record.names = tuple(name for name, _ in found)
        return [tensor for _, tensor in found]

    @property
    def output_names(self) -> tuple[str | None, ...]:
        """Names of the tensors of the last call; ``None`` for one that the model does not name."""
        return self._record.names

    def _leading(self) -> int:
        return len(self._inputs.positional)


def _tensors(result: object, name: str | None) -> Iterator[tuple[str | None, torch.Tensor]]:
    """Tensors of a result with their names; caches and everything else are left out."""
    if isinstance(result, torch.Tensor):
        yield name, result
    elif isinstance(result, Mapping):
        yield from _fields(result, name)
    elif is_dataclass(result) and not isinstance(result, type):
        members = {field.name: getattr(result, field.name) for field in fields(result)}
        yield from _fields(members, name)
    elif isinstance(result, tuple) and hasattr(result, "_asdict"):
        yield from _fields(result._asdict(), name)
    elif isinstance(result, (tuple, list)):
        yield from _items(result, name)


def _fields(
    members: Mapping[Any, object], name: str | None
) -> Iterator[tuple[str | None, torch.Tensor]]:
    for key, value in members.items():
        if key not in _CACHES:
            yield from _tensors(value, str(key) if name is None else f"{name}.{key}")


def _items(
    members: Sequence[object], name: str | None
) -> Iterator[tuple[str | None, torch.Tensor]]:
    for index, value in enumerate(members):
        yield from _tensors(value, None if name is None else f"{name}.{index}")


def _not_detected(
    mask: torch.Tensor | None, is_causal: bool | None = None, size: int | None = None
) -> bool:
    """What PyTorch's transformers take a mask for: causal only where they are told so."""
    return is_causal is True


def _caching_configs(model: nn.Module) -> list[Any]:
    """Configurations of transformers' models that ask for a key-value cache."""
    configs = {
        id(config): config for config in (getattr(m, "config", None) for m in model.modules())
    }
    return [config for config in configs.values() if getattr(config, "use_cache", None) is True]


@contextmanager
def traceable(model: nn.Module) -> Iterator[None]:
    """Let a model compute one step by operations that can be exported, and restore it afterwards.

    A key-value cache is not returned. PyTorch's fused transformer layers, which exist for inference
    without gradients only, are not used, and its transformers do not look at the values of a mask
    to find out whether it is causal: the mask itself is applied.
    """
    layers: Any = torch.nn.modules.transformer
    hook = "_detect_is_causal_mask"
    fast = torch.backends.mha.get_fastpath_enabled()
    with ExitStack() as restore:
        restore.callback(torch.backends.mha.set_fastpath_enabled, fast)
        torch.backends.mha.set_fastpath_enabled(False)
        restore.callback(setattr, layers, hook, getattr(layers, hook))
        setattr(layers, hook, _not_detected)
        for config in _caching_configs(model):
            restore.callback(setattr, config, "use_cache", True)
            config.use_cache = False
        restore.enter_context(torch.no_grad())
        yield
