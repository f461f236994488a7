"""A result folder is written as a whole or not at all, and read back equal."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pimsim.errors import InputError, OutputError
from pimsim.report import check_output, folder, load_result, write

FILES = {
    "result.json", "actions.csv", "ops.csv", "components.csv", "sources.csv", "checksums.sha256",
    "timeline.parquet", "trace.json", "report.html", "resources.csv",
    "recost.json",
    *(f"figures/{name}.{ending}" for ending in ("svg", "png")
      for name in ("accuracy", "area", "comparison", "energy", "joules", "latency", "power",
                   "timeline", "utilisation")),
}  # fmt: skip


def contents(place):
    files = (path for path in sorted(place.rglob("*")) if path.is_file())
    return {path.relative_to(place).as_posix(): path.read_bytes() for path in files}


def names(place):
    return [path.name for path in place.iterdir()]


@pytest.fixture
def quick(monkeypatch):
    """Write the data files only: what a failure leaves behind does not depend on the figures."""

    def fill(result, place):
        (place / "result.json").write_text(folder.document.to_json(result), encoding="utf-8")
        (place / "figures").mkdir()
        (place / "figures" / "energy.svg").write_text("<svg/>")

    monkeypatch.setattr(folder, "_fill", fill)


@pytest.fixture
def failing(monkeypatch):
    """Make writing fail halfway with a given exception."""

    def arm(error):
        def fill(result, place):
            (place / "result.json").write_text("half", encoding="utf-8")
            raise error

        monkeypatch.setattr(folder, "_fill", fill)

    return arm


def test_loading_what_was_written_gives_an_equal_result(written, result, equal):
    assert equal(load_result(written), result)


def test_folder_holds_what_is_documented_and_nothing_else(written):
    assert set(contents(written)) == FILES
    assert names(written.parent) == [written.name]


def test_same_result_gives_the_same_bytes(written, result, tmp_path):
    assert contents(write(result, tmp_path / "again")) == contents(written)


def test_only_result_json_and_the_page_depend_on_the_manifest(written, rebuilt, result, tmp_path):
    manifest = dataclasses.replace(
        result.manifest, created="2030-01-01", wall_times_s={"functional": 9.0}, threads=1
    )
    other = contents(write(rebuilt(manifest=manifest), tmp_path / "other"))
    first = contents(written)
    assert {name for name in first if first[name] != other[name]} == {"result.json", "report.html"}
    left, right = (json.loads(files["result.json"]) for files in (first, other))
    assert left.pop("manifest") != right.pop("manifest")
    assert left == right


@pytest.mark.usefixtures("quick")
class TestTarget:
    def test_parents_are_made_and_the_absolute_path_is_returned(
        self, result, tmp_path, monkeypatch
    ):
        monkeypatch.chdir(tmp_path)
        assert write(result, "a/b/c") == (tmp_path / "a/b/c").resolve()
        assert (tmp_path / "a/b/c/result.json").is_file()

    def test_an_empty_folder_is_taken(self, result, tmp_path):
        (tmp_path / "out").mkdir()
        write(result, tmp_path / "out")
        assert (tmp_path / "out" / "result.json").is_file()

    def test_a_former_result_is_replaced_as_a_whole(self, result, tmp_path):
        target = write(result, tmp_path / "out")
        (target / "figures" / "stale.svg").write_text("old")
        write(result, target)
        assert not (target / "figures" / "stale.svg").exists()
        assert names(tmp_path) == ["out"]

    def test_a_result_of_another_version_is_replaced_too(self, result, tmp_path):
        target = write(result, tmp_path / "out")
        content = json.loads((target / "result.json").read_text())
        (target / "result.json").write_text(json.dumps({**content, "format_version": 99}))
        write(result, target)
        assert json.loads((target / "result.json").read_text()) == content

    @pytest.mark.parametrize("text", [None, "{}", '{"format_version": 1}', "half", "[]", "\x00"])
    def test_any_other_folder_with_content_is_left_alone(self, result, tmp_path, text):
        (tmp_path / "thesis.tex").write_text("years of work")
        if text is not None:
            (tmp_path / "result.json").write_text(text)
        with pytest.raises(OutputError, match="and no pimsim result; name another folder"):
            write(result, tmp_path)
        assert (tmp_path / "thesis.tex").read_text() == "years of work"

    def test_a_file_is_left_alone(self, result, tmp_path):
        (tmp_path / "file").write_text("mine")
        with pytest.raises(OutputError, match="it is a file; name a folder"):
            write(result, tmp_path / "file")
        assert (tmp_path / "file").read_text() == "mine"

    def test_a_parent_that_is_a_file_is_named(self, result, tmp_path):
        (tmp_path / "file").write_text("mine")
        with pytest.raises(OutputError, match=r"file is a file, not a folder|not a directory"):
            write(result, tmp_path / "file" / "out")

    def test_a_parent_in_which_nothing_can_be_created_is_named(self, tmp_path, monkeypatch):
        # Permission bits do not bind root, who runs many test machines: refuse the folder itself.
        def refuse(self, *arguments, **options):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "mkdir", refuse)
        with pytest.raises(OutputError) as caught:
            check_output(tmp_path / "a" / "out")
        assert str(caught.value) == (
            f"cannot write to {tmp_path}/a/out: nothing can be created in {tmp_path} (permission "
            "denied); choose another folder with --output"
        )

    def test_the_current_folder_is_refused(self, result, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        with pytest.raises(OutputError, match="the current folder lies in it"):
            write(result, ".")

    def test_a_link_stays_a_link(self, result, tmp_path):
        (tmp_path / "real").mkdir()
        (tmp_path / "link").symlink_to(tmp_path / "real")
        assert write(result, tmp_path / "link") == tmp_path / "real"
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "real" / "result.json").is_file()

    def test_checking_changes_nothing(self, tmp_path):
        check_output(tmp_path / "a" / "b")
        assert names(tmp_path) == []

    def test_a_name_that_no_file_system_takes_is_refused(self, result, tmp_path):
        with pytest.raises(OutputError, match="cannot write to"):
            write(result, tmp_path / ("x" * 300))
        with pytest.raises(OutputError, match="cannot write to"):
            write(result, str(tmp_path / "a\0b"))


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), RuntimeError("bug"), OSError(28, "No space")]
)
class TestFailure:
    def test_nothing_is_left_behind(self, result, tmp_path, failing, error):
        failing(error)
        expected = OutputError if isinstance(error, OSError) else type(error)
        with pytest.raises(expected):
            write(result, tmp_path / "a" / "b" / "out")
        assert names(tmp_path) == []

    def test_the_former_result_survives(self, result, tmp_path, quick, monkeypatch, error):
        target = write(result, tmp_path / "out")
        before = contents(target)
        renames = []

        def rename(self, new):
            renames.append(new)
            if len(renames) == 2:  # the old folder is out of the way, the new one not yet there
                raise error
            shutil.move(self, new)

        monkeypatch.setattr(Path, "rename", rename)
        with pytest.raises(OutputError if isinstance(error, OSError) else type(error)):
            write(result, target)
        assert contents(target) == before
        assert names(tmp_path) == ["out"]


@pytest.mark.usefixtures("quick")
def test_an_interrupt_while_the_former_result_goes_leaves_the_new_one(
    result, tmp_path, monkeypatch
):
    target = write(result, tmp_path / "out")
    (target / "stale.txt").write_text("old")
    rmtree, calls = shutil.rmtree, []

    def interrupted(path, ignore_errors=False):
        calls.append(path)
        if len(calls) == 1:
            raise KeyboardInterrupt
        rmtree(path, ignore_errors=ignore_errors)

    monkeypatch.setattr(shutil, "rmtree", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(result, target)
    assert names(tmp_path) == ["out"]
    assert not (target / "stale.txt").exists()


@pytest.mark.usefixtures("quick")
def test_parents_that_cannot_be_made_leave_nothing(result, tmp_path, monkeypatch):
    mkdir = Path.mkdir

    def refuse_inner(self, mode=0o777, parents=False, exist_ok=False):
        if self.name == "b":
            mkdir(self.parent)
            raise PermissionError(13, "Permission denied")
        mkdir(self, mode, parents, exist_ok)

    monkeypatch.setattr(Path, "mkdir", refuse_inner)
    with pytest.raises(OutputError, match="permission denied"):
        write(result, tmp_path / "a" / "b" / "out")
    assert names(tmp_path) == []


def test_a_full_disk_is_told_with_its_reason(result, tmp_path, failing):
    failing(OSError(28, "No space left on device"))
    with pytest.raises(OutputError, match=r"cannot write to .*out: no space left on device"):
        write(result, tmp_path / "out")


class TestLoading:
    def test_a_missing_folder_is_told(self, tmp_path):
        with pytest.raises(InputError, match="there is no such folder; 'pimsim run --output"):
            load_result(tmp_path / "nowhere")

    def test_a_folder_without_result_is_told(self, tmp_path):
        with pytest.raises(InputError, match=r"it has no result\.json"):
            load_result(tmp_path)

    @pytest.mark.parametrize("cut", [0, 1, 500])
    def test_a_cut_headline_is_told(self, tmp_path, result, quick, cut):
        target = write(result, tmp_path / "out")
        path = target / "result.json"
        path.write_text(path.read_text()[:cut])
        with pytest.raises(InputError, match="not valid JSON, the file is cut short or edited"):
            load_result(target)

    @pytest.mark.parametrize(
        ("file", "message"),
        [
            (
                "timeline.parquet",
                (
                    "{folder}/timeline.parquet: cut short or changed since the run wrote it (its "
                    "checksum is not the one in checksums.sha256); restore it or run again"
                ),
            ),
            (
                "checksums.sha256",
                (
                    "{folder}/sources.csv: cut short or changed since the run wrote it (its "
                    "checksum is not the one in checksums.sha256); restore it or run again"
                ),
            ),
        ],
    )
    def test_a_cut_table_is_told_in_these_words(self, written, tmp_path, file, message):
        target = shutil.copytree(written, tmp_path / "copy")
        os.truncate(target / file, (target / file).stat().st_size // 2)
        with pytest.raises(InputError) as caught:
            load_result(target)
        assert str(caught.value) == message.format(folder=target)

    def test_a_lost_table_is_told_in_these_words(self, written, tmp_path):
        target = shutil.copytree(written, tmp_path / "copy")
        (target / "components.csv").unlink()
        with pytest.raises(InputError) as caught:
            load_result(target)
        assert str(caught.value) == (
            f"{target}: components.csv is missing, so this is no complete result; run again"
        )

    def test_bytes_that_are_no_text_are_told(self, tmp_path):
        (tmp_path / "result.json").write_bytes(b"\xff\xfe\x00")
        with pytest.raises(InputError, match="not text in UTF-8"):
            load_result(tmp_path)

    def test_a_newer_version_is_told_before_its_tables_are_read(self, tmp_path, result, quick):
        target = write(result, tmp_path / "out")
        content = json.loads((target / "result.json").read_text())
        (target / "result.json").write_text(json.dumps({**content, "format_version": 2}))
        with pytest.raises(InputError, match=r"format_version 2 of pimsim 0\.1\.0"):
            load_result(target)


def test_importing_the_package_is_light():
    code = "import sys, pimsim.report; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"pandas", "matplotlib", "pyarrow", "numba", "torch"} & set(loaded)


def test_names_of_the_package_are_there():
    import pimsim.report

    for name in pimsim.report.__all__:
        assert getattr(pimsim.report, name) is not None
    assert dir(pimsim.report) == sorted(pimsim.report.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = pimsim.report.nothing
