"""Every error pimsim raises for a user's mistake, as one tree.

Which question this module answers: *what can go wrong, and which exception says so?*

::

    PimsimError                    base; the command line prints its message and exits with 1
    ├── InputError                 a file, name or argument given by the user is wrong
    │   ├── ConfigError            one or more problems in a YAML file or in ``--set``
    │   ├── WorkloadError          a workload folder cannot be read or is inconsistent
    │   │   └── UnsupportedOpError an operation that no lowering or executor handles
    │   ├── NotFoundError          an unknown name; lists the nearest known ones
    │   └── OutputError            a result cannot be written where it was asked for
    ├── MissingExtraError          an optional dependency is not installed
    ├── RegistryError              a plug-in clashes with a name that is taken
    ├── ModelRangeError            a value outside the stated valid range of a model (a ValueError)
    ├── QuantizationError          a workload has no integer form under the chosen scheme
    ├── MappingError               the workload does not fit the chip
    └── SimulationError            the event-driven replay cannot finish

A message says what was found, where, what is allowed and how to mend it.
"""

import difflib
from collections.abc import Iterable
from typing import Final

_NAMES_SHOWN: Final = 16
"""How many known names a message lists; a traced model has hundreds of tensors."""


class PimsimError(Exception):
    """Base of every error that a user of pimsim can cause."""


class InputError(PimsimError):
    """A file, a name or an argument given by the user is wrong."""


class ConfigError(InputError):
    """One or more problems in an architecture file, a sweep file or an override.

    Parameters
    ----------
    problems
        One line each, ``file:line: key.path: what is wrong``.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class WorkloadError(InputError):
    """A workload folder cannot be read, or its parts contradict each other."""


class UnsupportedOpError(WorkloadError):
    """An operation of the traced model is not in the closed set that pimsim runs."""


class NotFoundError(InputError):
    """No architecture, workload or model goes by this name."""


class OutputError(InputError):
    """A result folder cannot be written where it was asked for."""


class MissingExtraError(PimsimError):
    """An optional dependency is needed and not installed."""


class RegistryError(PimsimError):
    """A plug-in uses a name that is already taken, or fails its contract."""


class ModelRangeError(PimsimError, ValueError):
    """A value lies outside the valid range that a model states; nothing extrapolates."""


class QuantizationError(PimsimError):
    """The workload has no form under the chosen numerics scheme."""


class MappingError(PimsimError):
    """The workload does not fit the chip, or something has no home on it."""


class SimulationError(PimsimError):
    """The event-driven replay ran out of events with work left to do."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Suggest what a misspelt name may have meant, as the end of a message.

    Examples
    --------
    >>> nearest("rapp", ["rap", "conventional"])
    "; did you mean 'rap'?"
    >>> nearest("xyz", ["rap", "conventional"])
    '; known: conventional, rap'
    """
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f"; did you mean '{close[0]}'?"
    if not names:
        return ""
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return f"; known: {', '.join(names[:_NAMES_SHOWN])}{more}"
