"""From a name or a path to a checked architecture.

Which question this module answers: *which chip is this run about, exactly?*
"""

import hashlib
import json
import os
from collections.abc import Sequence

from pimsim.config import overrides as overriding
from pimsim.config import yaml_loader
from pimsim.config.architecture import SCHEMA_VERSION, Architecture
from pimsim.config.bundled import architecture_path
from pimsim.config.document import Document, Place


def load_architecture(
    name_or_path: str | os.PathLike[str], *, overrides: Sequence[str] = ()
) -> Architecture:
    """Read, change and check an architecture file.

    Parameters
    ----------
    name_or_path
        A path, or a name found in ``$PIMSIM_PATH`` or among the bundled files.
    overrides
        ``PATH=VALUE`` each, as ``--set`` takes them; checked like the file itself.

    Raises
    ------
    NotFoundError
        If there is no such file or name; the nearest names are given.
    ConfigError
        With every problem of the file and of the overrides, one line each.

    Examples
    --------
    >>> load_architecture("rap", overrides=["macros.mram.adc.levels=17"]).macros["mram"].adc.codes
    17
    """
    document = yaml_loader.read(architecture_path(name_or_path))
    yaml_loader.check_version(document, SCHEMA_VERSION)
    if overrides:
        document = overriding.apply(document, overrides, Architecture)
    return yaml_loader.validate(document, Architecture)


def config_hash(architecture: Architecture) -> str:
    """Return a SHA-256 that is equal for equal architectures, however their YAML is laid out.

    Comments, the order of a section's keys and the spelling of numbers do not matter; defaults
    count as if written. The order of macros and of cost variants does: it has a meaning.

    Examples
    --------
    >>> config_hash(load_architecture("rap")) == config_hash(load_architecture("rap"))
    True
    """
    canonical = json.dumps(
        architecture.model_dump(mode="json"), separators=(",", ":"), allow_nan=False
    )
    return hashlib.sha256(canonical.encode()).hexdigest()


def changed(architecture: Architecture, overrides: Sequence[str]) -> Architecture:
    """Change keys of a checked architecture, as ``--set`` does.

    Parameters
    ----------
    architecture
        What to start from; it stays as it is.
    overrides
        ``PATH=VALUE`` each; checked like those of :func:`load_architecture`.

    Raises
    ------
    ConfigError
        With every problem of the overrides, one line each.

    Examples
    --------
    >>> changed(load_architecture("rap"), ["chip.tiles=4"]).chip.tiles
    4
    """
    if not overrides:
        return architecture
    data = architecture.model_dump(mode="json", exclude_unset=True)
    document = Document(data, {(): Place(architecture.name)})
    return yaml_loader.validate(overriding.apply(document, overrides, Architecture), Architecture)
