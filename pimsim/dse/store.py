"""Where a sweep keeps what it has found: one SQLite file.

Which question this module answers: *which points are done, and what came out?*

A row is written in one transaction when its point ends, so that whatever kills the sweep, each
point is there as a whole or not at all. Rows are keyed by a hash of everything that the outcome
depends on, so that the same point, of whichever sweep, is computed once. Several sweeps may use one
store at a time: a point is claimed before it is computed, and a claim dies with its owner.

Every row carries a checksum; a file that is damaged is refused with what to do about it.
"""

import hashlib
import json
import os
import socket
import sqlite3
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

from pimsim.errors import InputError

FILE: Final = "store.sqlite"
STORE_VERSION: Final = 2

LEASE_S: Final = 3600.0
"""How long claims from a host name that is not this one's hold after its last sign of life."""

_BUSY_TIMEOUT_S: Final = 60.0
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS about (version INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS results (
    key TEXT PRIMARY KEY, row TEXT, error TEXT, seconds REAL NOT NULL, computed TEXT NOT NULL,
    checksum TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS claims (key TEXT PRIMARY KEY, owner TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS owners (owner TEXT PRIMARY KEY, seen REAL NOT NULL) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one point."""

    row: Mapping[str, Any] | None
    """Columns of its metrics; ``None`` if it failed."""
    error: str | None
    """Why it failed, in one line."""
    seconds: float
    """How long it took; not part of a frame."""
    computed: tuple[str, ...] = ()
    """Passes that were not taken from an earlier point, of ``layout``, ``values`` and ``timeline``;
    not part of a frame."""


class StoreError(InputError):
    """The store cannot be used; the message says how to recover."""


@final
class Store:
    """The results of sweeps, by key.

    Parameters
    ----------
    folder
        Where the file lies; ``None``: in memory, for a sweep that keeps nothing.

    Raises
    ------
    StoreError
        If the file cannot be opened, is damaged, is none of ours, or was written by a newer pimsim.
    """

    def __init__(self, folder: Path | None) -> None:
        self.path = None if folder is None else folder / FILE
        name = ":memory:" if self.path is None else str(self.path)
        with self._readable():
            self._connection = sqlite3.connect(name, timeout=_BUSY_TIMEOUT_S, isolation_level=None)
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.executescript(_SCHEMA)
            self._check()

    def close(self) -> None:
        """Release the file; claims of this process are given back."""
        with self._readable():
            for table in ("claims", "owners"):
                self._connection.execute(f"DELETE FROM {table} WHERE owner = ?", (_owner(),))
        self._connection.close()

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def get(self, keys: Iterable[str]) -> dict[str, Outcome]:
        """Outcomes of those keys that are there."""
        found = {}
        with self._readable():
            for key in keys:
                line = self._connection.execute(
                    "SELECT row, error, seconds, computed, checksum FROM results WHERE key = ?",
                    (key,),
                ).fetchone()
                if line is not None:
                    found[key] = self._outcome(key, line)
        return found

    def put(self, key: str, outcome: Outcome) -> None:
        """Keep an outcome, in one transaction; the first one of a key stays."""
        row = None if outcome.row is None else json.dumps(outcome.row)
        line = (
            key, row, outcome.error, outcome.seconds, " ".join(outcome.computed),
            _checksum(key, row, outcome.error),
        )  # fmt: skip
        with self._readable(), self._transaction():
            self._connection.execute(
                "INSERT OR IGNORE INTO results VALUES (?, ?, ?, ?, ?, ?)", line
            )
            self._connection.execute("DELETE FROM claims WHERE key = ?", (key,))
            self._sign_of_life()

    def claim(self, key: str) -> bool:
        """Whether this process may compute the point: it is not done, and no living process has it.

        Only processes of this machine can be seen to be alive; a claim from another one, such as a
        container, holds for :data:`LEASE_S` after the last claim or result of its owner. Where
        processes cannot be seen at all (Windows), claims do not hold: a point may be computed
        twice, and is kept once.
        """
        with self._readable(), self._transaction():
            done = self._connection.execute(
                "SELECT 1 FROM results WHERE key = ?", (key,)
            ).fetchone()
            if done is not None:
                return False
            held = self._connection.execute(
                "SELECT owner FROM claims WHERE key = ?", (key,)
            ).fetchone()
            if held is not None and held[0] != _owner() and self._alive(held[0]):
                return False
            self._connection.execute("INSERT OR REPLACE INTO claims VALUES (?, ?)", (key, _owner()))
            self._sign_of_life()
            return True

    def _alive(self, owner: str) -> bool:
        """Whether the process of a claim still runs, as far as can be seen."""
        host, pid, started = owner.rsplit(":", 2)
        if host == socket.gethostname():
            return _started(int(pid)) == started != ""
        seen = self._connection.execute(
            "SELECT seen FROM owners WHERE owner = ?", (owner,)
        ).fetchone()
        return seen is not None and time.time() - float(seen[0]) < LEASE_S

    def _sign_of_life(self) -> None:
        self._connection.execute(
            "INSERT OR REPLACE INTO owners VALUES (?, ?)", (_owner(), time.time())
        )

    def repair(self) -> int:
        """Drop the rows whose checksum is wrong; return how many there were."""
        with self._readable(), self._transaction():
            lines = self._connection.execute(
                "SELECT key, row, error, checksum FROM results"
            ).fetchall()
            damaged = [
                key for key, row, error, checksum in lines if _checksum(key, row, error) != checksum
            ]
            self._connection.executemany(
                "DELETE FROM results WHERE key = ?", [(key,) for key in damaged]
            )
        return len(damaged)

    def __len__(self) -> int:
        with self._readable():
            count: int = self._connection.execute("SELECT count(*) FROM results").fetchone()[0]
        return count

    def _check(self) -> None:
        found = self._connection.execute("PRAGMA quick_check").fetchone()
        if found[0] != "ok":
            raise self._damaged(found[0])
        with self._transaction():
            version = self._connection.execute("SELECT version FROM about").fetchone()
            if version is None:
                self._connection.execute("INSERT INTO about VALUES (?)", (STORE_VERSION,))
            elif version[0] != STORE_VERSION:
                older = version[0] < STORE_VERSION
                remedy = "remove it to compute its points anew" if older else "update pimsim"
                raise StoreError(
                    f"{self.path}: was written as version {version[0]}, this pimsim reads "
                    f"{STORE_VERSION}; {remedy}, or give another --output"
                )

    def _outcome(self, key: str, line: Sequence[Any]) -> Outcome:
        row, error, seconds, computed, checksum = line
        if _checksum(key, row, error) != checksum:
            raise StoreError(
                f"{self.path}: the row of point {key[:12]} is damaged; run the sweep with "
                "--repair, which drops damaged rows and computes them again"
            )
        content = None if row is None else json.loads(row)
        return Outcome(content, error, seconds, tuple(computed.split()))

    def _damaged(self, what: object) -> StoreError:
        return StoreError(
            f"{self.path}: is damaged ({what}); move the file away and run the sweep again "
            f"with --resume, or "
            f"recover what is left with `sqlite3 {self.path} .recover`"
        )

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise StoreError(f"{self.path}: cannot be used ({error})") from None
        except sqlite3.DatabaseError as error:
            raise self._damaged(error) from None

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """One writer at a time, and all or nothing."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")


def _checksum(key: str, row: str | None, error: str | None) -> str:
    return hashlib.sha256(json.dumps([key, row, error]).encode()).hexdigest()


def _owner() -> str:
    return f"{socket.gethostname()}:{os.getpid()}:{_started(os.getpid())}"


def _started(pid: int) -> str:
    """When a process began, so that a number used again is told apart; empty: there is none."""
    if not Path("/proc/self").exists():
        return _started_by_ps(pid)
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return stat.rpartition(")")[2].split()[19]


def _started_by_ps(pid: int) -> str:
    """The same where there is no ``/proc``, as on macOS; always empty on Windows."""
    command = ("ps", "-o", "lstart=", "-p", str(pid))
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    except OSError:
        return ""
    return found.strip().replace(":", ".").replace(" ", "_")
