"""The store: nothing lost, nothing double, damage seen."""

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

from pimsim.dse import store as store_module
from pimsim.dse.store import FILE, LEASE_S, Outcome, Store, StoreError

WRITER = """
import sys
from pathlib import Path
from pimsim.dse.store import Outcome, Store
with Store(Path(sys.argv[1])) as store:
    print("ready", flush=True)
    for number in range(100_000):
        key = f"{number:06}"
        if store.claim(key):
            store.put(key, Outcome({"number": number}, None, 0.0))
"""


CLAIMER = """
import sys, time
from pathlib import Path
from pimsim.dse.store import Store
store = Store(Path(sys.argv[1]))
print(store.claim("a"), flush=True)
time.sleep(60)
"""


def test_what_was_put_is_there_and_stays(tmp_path):
    with Store(tmp_path) as store:
        assert store.claim("a")
        store.put("a", Outcome({"x": 1.5, "y": None}, None, 2.0))
        store.put("b", Outcome(None, "MappingError: too small", 0.5))
        store.put("a", Outcome({"x": 9.9}, None, 2.0))
    with Store(tmp_path) as store:
        assert len(store) == 2
        found = store.get(["a", "b", "c"])
        assert found["a"] == Outcome({"x": 1.5, "y": None}, None, 2.0)
        assert found["b"].error == "MappingError: too small"
        assert "c" not in found
        assert not store.claim("a")
        assert not store.claim("b")


def test_a_point_is_claimed_by_one_living_process(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", CLAIMER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "True\n"
        with Store(tmp_path) as store:
            assert not store.claim("a")
            assert store.claim("b")
            process.kill()
            process.wait()
            assert store.claim("a")
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_claim_from_a_machine_that_is_gone_runs_out(tmp_path):
    """As one of a container that was killed, whose host name never comes back."""
    with Store(tmp_path) as store:
        assert store.claim("a")
        rows = sqlite3.connect(tmp_path / FILE)
        rows.execute("UPDATE claims SET owner = 'elsewhere:7:1'")
        rows.execute("UPDATE owners SET owner = 'elsewhere:7:1'")
        rows.commit()
        assert not store.claim("a")
        rows.execute("UPDATE owners SET seen = seen - ?", (LEASE_S + 1,))
        rows.commit()
        rows.close()
        assert store.claim("a")


def test_numbers_beyond_all_bounds_are_kept(tmp_path):
    """A signal-to-noise ratio is infinite where nothing deviates."""
    with Store(tmp_path) as store:
        store.put("a", Outcome({"logit_snr_db": float("inf")}, None, 0.0))
        assert store.get(["a"])["a"].row == {"logit_snr_db": float("inf")}


def test_claims_end_with_the_store(tmp_path):
    with Store(tmp_path) as store:
        assert store.claim("a")
        assert store.claim("a")
    connection = sqlite3.connect(tmp_path / FILE)
    assert connection.execute("SELECT count(*) FROM claims").fetchone() == (0,)
    connection.close()


def test_twenty_kills_lose_nothing_that_was_kept(tmp_path):
    """Two writers at once, one of them killed at a random moment, twenty times over."""
    generator, kept = random.Random(5), -1
    for _ in range(20):
        writers = [
            subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE)
            for _ in range(2 if kept < 0 else 1)
        ]
        for writer in writers:
            assert writer.stdout is not None
            writer.stdout.readline()
        time.sleep(generator.uniform(0.0, 0.05))
        for writer in writers:
            os.kill(writer.pid, signal.SIGKILL)
            writer.wait()
            if writer.stdout is not None:
                writer.stdout.close()
        with Store(tmp_path) as store:
            count = len(store)
            assert count >= kept
            found = store.get(f"{number:06}" for number in range(count + 5))
            assert all(outcome.row == {"number": int(key)} for key, outcome in found.items())
            assert len(found) == count
        kept = count
    assert kept > 0


def test_a_damaged_row_is_found_and_repaired(tmp_path):
    with Store(tmp_path) as store:
        store.put("a", Outcome({"x": 1.0}, None, 0.0))
        store.put("b", Outcome({"x": 2.0}, None, 0.0))
    connection = sqlite3.connect(tmp_path / FILE)
    connection.execute("UPDATE results SET row = '{\"x\": 7.0}' WHERE key = 'a'")
    connection.commit()
    connection.close()
    with Store(tmp_path) as store:
        with pytest.raises(StoreError, match=r"the row of point a is damaged; run .* --repair"):
            store.get(["a", "b"])
        assert store.repair() == 1
        assert set(store.get(["a", "b"])) == {"b"}


def test_a_damaged_file_is_refused_with_what_to_do(tmp_path):
    with Store(tmp_path) as store:
        for number in range(2000):
            store.put(str(number), Outcome({"x": number * 1.1}, None, 0.0))
    for left in tmp_path.glob(f"{FILE}-*"):
        left.unlink()
    content = bytearray((tmp_path / FILE).read_bytes())
    content[4096:40960] = b"\x55" * (40960 - 4096)
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(StoreError, match=r"is damaged .*; move the file away"):
        Store(tmp_path)
    (tmp_path / FILE).write_text("this is a text file, and no database at all" * 40)
    with pytest.raises(StoreError, match="is damaged"):
        Store(tmp_path)


@pytest.mark.skipif(shutil.which("ps") is None, reason="no ps")
def test_a_process_is_told_by_when_it_began_also_without_proc():
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    began = store_module._started_by_ps(process.pid)
    assert began == store_module._started_by_ps(process.pid) != ""
    assert ":" not in began
    process.kill()
    process.wait()
    assert store_module._started_by_ps(process.pid) == ""


def test_a_newer_store_is_refused(tmp_path):
    Store(tmp_path).close()
    connection = sqlite3.connect(tmp_path / FILE)
    connection.execute("UPDATE about SET version = 99")
    connection.commit()
    connection.close()
    with pytest.raises(StoreError, match="was written as version 99"):
        Store(tmp_path)
