"""Say where in the user's model a node comes from.

Which question this module answers: *which module, and which line of the model, computes this?*
"""

import re
from typing import Final

import torch
from torch.fx import Node

from pimsim.errors import UnsupportedOpError

MODEL_ATTRIBUTE: Final = "pimsim_model"
"""Name under which the exported wrapper holds the user's model; no module path shows it."""

_FRAME: Final = re.compile(
    r'File "(?P<file>[^"]+)", line (?P<line>\d+), in (?P<function>\S+)\n(?P<code>.*)'
)
_LIBRARIES: Final = (str(torch.__path__[0]), __file__.rpartition("places.py")[0])


def is_library_file(path: str) -> bool:
    """Whether a source file is PyTorch's or of this package, not the user's."""
    return path.startswith(_LIBRARIES)


def model_path(path: str) -> str:
    """Path of a module or parameter in the user's model, given its path in the wrapper.

    Examples
    --------
    >>> model_path("pimsim_model.blocks.0"), model_path("pimsim_model")
    ('blocks.0', '')
    """
    return path.removeprefix(MODEL_ATTRIBUTE).removeprefix(".")


def module_path(node: Node) -> str:
    """Path of the module whose ``forward`` computed the node, ``""`` for the model itself."""
    stack = node.meta.get("nn_module_stack") or {}
    if not stack:
        return ""
    path: str = list(stack.values())[-1][0]
    return model_path(path)


def unsupported(node: Node, reason: str) -> UnsupportedOpError:
    """Return the error for a node that cannot be lowered: what, where in the model, why."""
    return UnsupportedOpError(f"{describe(node)}: {reason}")


def describe(node: Node) -> str:
    """Name an ATen node, its module and the line of the model's source it comes from."""
    path = module_path(node)
    place = f"module {path!r}" if path else "the model's own forward"
    line = source_line(node)
    return f"{node.target} in {place}" + (f" ({line})" if line else "")


def source_line(node: Node) -> str | None:
    """Line of the user's model that a node comes from: the innermost one outside torch."""
    frames = list(_FRAME.finditer(node.meta.get("stack_trace") or ""))
    own = [frame for frame in frames if not is_library_file(frame["file"])]
    if not own:
        return None
    frame = own[-1]
    return f"{frame['file']}:{frame['line']}: {frame['code'].strip()}"
