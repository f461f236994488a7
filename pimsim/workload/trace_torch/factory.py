"""Functions of the user's, named as ``module:function``: models, example inputs, samples.

Which question this module answers: *which PyTorch model is to be traced, on which inputs?*

``module`` is importable from the current folder, or a path that ends in ``.py``. What a user's code
raises becomes one message with the line that raised it.
"""

import importlib
import importlib.util
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from pimsim.errors import InputError, NotFoundError, nearest
from pimsim.workload.graph import Samples
from pimsim.workload.trace_torch.inputs import Examples

_SETS: Final = ("calibration", "evaluation", "labels", "reference")


@dataclass(frozen=True, slots=True)
class Built:
    """What a factory returned."""

    model: nn.Module
    examples: "Examples | None"
    """``None`` if it returned the model alone."""


def build_model(target: str) -> Built:
    """Call a factory.

    Parameters
    ----------
    target
        ``module:function``; the function takes no arguments and returns an ``nn.Module``, or the
        module and its example inputs.

    Raises
    ------
    InputError
        If it cannot be found, raises, or returns something else.
    """
    made = _call(target)
    if isinstance(made, nn.Module):
        return Built(made, None)
    if isinstance(made, tuple) and len(made) == 2 and isinstance(made[0], nn.Module):
        if _are_examples(made[1]):
            return Built(made[0], made[1])
        found = f"a module and {_describe(made[1])}, which are no example inputs"
    else:
        found = _describe(made)
    raise InputError(
        f"{target} must return a torch.nn.Module, or a module and a tuple of example tensors; it "
        f"returned {found}"
    )


def build_inputs(target: str) -> Examples:
    """Call a function that returns example inputs: tensors in a tuple or by name, or one tensor.

    Raises
    ------
    InputError
        If it cannot be found, raises, or returns something else.
    """
    made: Examples = _call(target)
    if not _are_examples(made):
        raise InputError(
            f"{target} must return the example inputs of the model, a tuple of tensors or a "
            f"dictionary of them by argument; it returned {_describe(made)}"
        )
    return made


def build_samples(target: str) -> Samples:
    """Call a function that returns samples.

    Parameters
    ----------
    target
        The function returns a :class:`~pimsim.workload.Samples`, or a dictionary with the keys
        ``calibration`` and ``evaluation``, each a dictionary of arrays or tensors by input, first
        axis = sample, and optionally ``labels``, one whole number per evaluation sample or per
        token, and ``reference``, the model's outputs by name.

    Raises
    ------
    InputError
        If it cannot be found, raises, or returns something else.
    """
    made = _call(target)
    if isinstance(made, Samples):
        return made
    if not isinstance(made, Mapping):
        raise InputError(
            f"{target} must return pimsim.workload.Samples or a dictionary with 'calibration' and "
            f"'evaluation'; it returned {_describe(made)}"
        )
    for key in made:
        if key not in _SETS:
            raise InputError(f"{target} returned the key {key!r}{nearest(str(key), _SETS)}")
    for key in ("calibration", "evaluation"):
        if key not in made:
            raise InputError(f"{target} returned no {key!r}; it is needed, a dictionary by input")
    labels = made.get("labels")
    return Samples(
        calibration=_arrays(made["calibration"], f"{target}: calibration"),
        evaluation=_arrays(made["evaluation"], f"{target}: evaluation"),
        labels=None if labels is None else _array(labels, f"{target}: labels"),
        reference=_arrays(made.get("reference", {}), f"{target}: reference"),
    )


def recorded_name(target: str) -> str:
    """How a factory is written into ``graph.json``: never by a path of this machine.

    Examples
    --------
    >>> recorded_name("models:tiny"), recorded_name("./zoo/models.py:tiny")
    ('models:tiny', 'zoo/models.py:tiny')
    """
    module, _, function = target.rpartition(":")
    if not module.endswith(".py"):
        return target
    path, here = Path(module).resolve(), Path.cwd()
    inside = path.relative_to(here) if path.is_relative_to(here) else Path(path.name)
    return f"{inside.as_posix()}:{function}"


def _call(target: str) -> Any:
    function, module = find_function(target)
    with _telling(target, module):
        return function()


def find_function(target: str) -> tuple[Callable[[], Any], ModuleType]:
    """Import a module and look a function up in it.

    Raises
    ------
    InputError
        If ``target`` is not ``module:function``, the module raises while it is imported, or what it
        names is no function.
    NotFoundError
        If there is no such module or function.
    """
    name, separator, attribute = target.rpartition(":")
    if not separator or not name or not attribute.isidentifier():
        raise InputError(
            f"{target!r} must read MODULE:FUNCTION, as in models:bert or path/to/models.py:bert"
        )
    module = _file(Path(name), target) if name.endswith(".py") else _module(name, target)
    if not hasattr(module, attribute):
        known = [key for key, value in vars(module).items() if _is_own(value, key, module)]
        raise NotFoundError(f"{name} has no function {attribute!r}{nearest(attribute, known)}")
    function = getattr(module, attribute)
    if not callable(function):
        raise InputError(f"{target} is {_describe(function)}, not a function without arguments")
    return function, module


def _is_own(value: object, name: str, module: ModuleType) -> bool:
    own = getattr(value, "__module__", None) == module.__name__
    return callable(value) and own and not name.startswith("_")


def _file(path: Path, target: str) -> ModuleType:
    if not path.is_file():
        problem = "is not a file" if path.exists() else "no such file"
        raise NotFoundError(f"{path}: {problem}; it was to define {target.rpartition(':')[2]!r}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise InputError(f"{path}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    _importable_from(path.resolve().parent)
    sys.modules[path.stem] = module  # so that classes of it can be found again
    with _telling(f"importing {path}", module):
        spec.loader.exec_module(module)
    return module


def _module(name: str, target: str) -> ModuleType:
    if not all(part.isidentifier() for part in name.split(".")):
        raise InputError(
            f"{target}: {name!r} is neither the name of a module nor a path that ends in .py"
        )
    _importable_from(Path.cwd())
    try:
        with _telling(f"importing {name}", None):
            return importlib.import_module(name)
    except _MissingError as error:
        wanted = {name[:end] for end in (*_dots(name), len(name))}
        if error.missing not in wanted:
            raise InputError(str(error)) from None
        beside = f"{name.replace('.', '/')}.py"
        raise NotFoundError(
            f"no module {error.missing!r} in {Path.cwd()} or among the installed ones; give "
            f"{target.rpartition(':')[2]!r} with the path of its file, as in "
            f"path/to/{beside}:{target.rpartition(':')[2]}"
        ) from None


class _MissingError(InputError):
    """A module that cannot be found, here or further in."""

    def __init__(self, message: str, missing: str | None) -> None:
        self.missing = missing
        super().__init__(message)


def _dots(name: str) -> Iterator[int]:
    return (index for index, letter in enumerate(name) if letter == ".")


def _importable_from(folder: Path) -> None:
    """Let the user's modules import each other, as if run from this folder."""
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


@contextmanager
def _telling(what: str, module: ModuleType | None) -> Iterator[None]:
    """Turn whatever the user's code raises into one message with its line."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise _MissingError(_told(what, error, module), error.name) from error
    except Exception as error:
        raise InputError(_told(what, error, module)) from error


def _told(what: str, error: Exception, module: ModuleType | None) -> str:
    """``models.py:f raised ValueError: no such layer (models.py, line 12)``."""
    if isinstance(error, SyntaxError):
        return f"{what}: {error.msg} ({_shown(error.filename)}, line {error.lineno})"
    own = getattr(module, "__file__", None)
    frames = traceback.extract_tb(error.__traceback__)
    mine = [frame for frame in frames if own is not None and frame.filename == own]
    theirs = [frame for frame in frames if not frame.filename.startswith("<frozen")]
    last = (mine or theirs)[-1]
    text = str(error).strip()
    return (
        f"{what} raised {type(error).__name__}{f': {text}' if text else ''} "
        f"({_shown(last.filename)}, line {last.lineno})"
    )


def _shown(file: str | None) -> str:
    """A file by its path from here, if it lies below."""
    path = Path(file or "<unknown>")
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _are_examples(value: object) -> bool:
    if isinstance(value, Tensor):
        return True
    if not isinstance(value, (Mapping, tuple, list)) or not value:
        return False
    members = value.values() if isinstance(value, Mapping) else value
    return all(member is None or isinstance(member, Tensor) for member in members)


def _arrays(value: object, place: str) -> dict[str, NDArray[Any]]:
    if not isinstance(value, Mapping):
        raise InputError(
            f"{place} must be a dictionary from input to array; it is {_describe(value)}"
        )
    return {str(name): _array(member, f"{place}[{name!r}]") for name, member in value.items()}


def _array(value: object, place: str) -> NDArray[Any]:
    if isinstance(value, Tensor):
        return np.asarray(value.detach().cpu().contiguous().numpy())
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise InputError(f"{place} must hold numbers; it is {_describe(value)}")
    return array


def _describe(value: object) -> str:
    """``None``, or the type of a value, with its members' types if it is a small tuple."""
    if value is None:
        return "None"
    if isinstance(value, tuple) and len(value) <= 4:
        return f"a tuple of ({', '.join(type(member).__name__ for member in value)})"
    name = type(value).__name__
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"
