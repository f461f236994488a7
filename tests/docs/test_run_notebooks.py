"""The runner of the notebooks finds what fails, where, and draws what cells show."""

import runpy
import sys
from pathlib import Path

import pytest

from pimsim.errors import InputError, MissingExtraError, NotFoundError

SCRIPT = runpy.run_path(str(Path(__file__).parents[2] / "scripts" / "run_notebooks.py"))
cells, chosen, run_here, run_plain = (
    SCRIPT[name] for name in ("cells", "chosen", "run_here", "run_plain")
)

FIGURE = """\
# %% [markdown]
# # A figure
# %%
from pimsim.report import style
with style.applied():
    figure, axes = style.new_figure(2.0)
# %%
figure
"""


@pytest.fixture
def notebook(tmp_path):
    def write(text: str, name: str = "01_try.py") -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


def failure(path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """Run a notebook that fails in this process; return the line that says where."""
    assert run_here(path, None) == 1
    return capsys.readouterr().err.splitlines()[-1]


def test_text_cells_count_and_do_not_run():
    found = cells("top = 1\n# %% [markdown]\n# text\n# %%\n\na = 2\na\n# %%\n", "x.py")
    assert [(cell.number, cell.line, len(cell.tree.body)) for cell in found] == [
        (1, 1, 1), (2, 6, 2),
    ]  # fmt: skip


def test_cells_share_their_names(notebook):
    assert run_here(notebook("# %%\na = 2\n# %%\ndef f():\n    return a\n# %%\nassert f() == 2\n"),
                    None) == 0  # fmt: skip


def test_an_error_is_told_with_line_and_cell(notebook, capsys):
    path = notebook("# %% [markdown]\n# text\n# %%\na = 1\n# %%\n\nassert a == 2, 'not two'\n")
    assert failure(path, capsys) == "01_try.py:7, in cell 3: AssertionError: not two"


def test_the_line_is_the_notebooks_where_an_error_comes_from_elsewhere(notebook, capsys):
    path = notebook("# %%\nimport json\n# %%\njson.loads('{')\n")
    assert failure(path, capsys).startswith("01_try.py:4, in cell 2: JSONDecodeError: Expecting")


def test_a_syntax_error_has_the_files_line(notebook, capsys):
    path = notebook("# %%\na = 1\n# %%\nb = = 2\n")
    assert failure(path, capsys).startswith("01_try.py:4, in cell 2: SyntaxError")


def test_warnings_are_errors(notebook, capsys):
    path = notebook("# %%\nimport warnings\nwarnings.warn('old', stacklevel=1)\n")
    assert "UserWarning: old" in failure(path, capsys)


def test_figures_at_the_end_of_a_cell_are_drawn_and_written(notebook, tmp_path):
    assert run_here(notebook(FIGURE), tmp_path) == 0
    assert (tmp_path / "01_try-03.png").read_bytes().startswith(b"\x89PNG")


def test_a_figure_that_cannot_be_drawn_fails(notebook, capsys):
    path = notebook(FIGURE.replace("\nfigure\n", "\naxes.set_title('$x_{$')\nfigure\n"))
    assert "ValueError" in failure(path, capsys)


def test_a_figure_that_jupyter_would_not_draw_fails(notebook, capsys):
    path = notebook("# %%\nfrom matplotlib.figure import Figure\n# %%\nFigure()\n")
    assert "cell 2, line 4, ends with a figure" in failure(path, capsys)


def test_a_process_of_its_own_in_an_empty_folder(notebook, tmp_path):
    path = notebook("# %%\nfrom pathlib import Path\nassert not list(Path().iterdir())\n"
                    "Path('left').touch()\n")  # fmt: skip
    outcome = run_plain(path)
    assert (outcome.name, outcome.error) == ("01_try", None)
    assert not (tmp_path / "left").exists()


def test_the_exit_status_and_what_is_printed(notebook, tmp_path, capsys):
    notebook("# %%\nprint('said before')\nraise RuntimeError('gone wrong')\n", "02_bad.py")
    notebook("# %%\n", "03_good.py")
    assert SCRIPT["main"](["--notebooks", str(tmp_path), "--jobs", "2"]) == 1
    printed = capsys.readouterr()
    bad, *between, good = printed.out.splitlines()
    assert bad.startswith("02_bad ")
    assert bad.endswith("FAILED")
    assert good.startswith("03_good ")
    assert good.endswith("ok")
    assert "    said before" in between
    assert between[-1] == "    02_bad.py:3, in cell 1: RuntimeError: gone wrong"
    assert printed.err == "1 of 2 notebooks failed\n"
    assert SCRIPT["main"](["03", "--notebooks", str(tmp_path)]) == 0


def test_notebooks_are_chosen_by_how_their_names_begin(notebook, tmp_path):
    paths = [notebook("", name) for name in ("01_a.py", "02_b.py", "helper.py")]
    assert chosen([], tmp_path) == paths[:2]
    assert chosen(["02"], tmp_path) == [paths[1]]
    assert chosen([str(paths[0])], tmp_path) == [paths[0]]
    with pytest.raises(NotFoundError, match=r"no notebook '04'.*there: 01_a, 02_b"):
        chosen(["04"], tmp_path)


def test_jupyter_is_asked_for_only_where_it_is_needed(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "jupytext", None)
    with pytest.raises(MissingExtraError, match=r"pip install .pimsim\[notebooks\]"):
        SCRIPT["check_jupyter"]("ipynb")
    asked = ["--ipynb", str(tmp_path / "out"), "--notebooks", str(tmp_path)]
    assert SCRIPT["main"](asked) == 1
    assert capsys.readouterr().err.startswith("--ipynb needs jupytext")


def test_a_folder_that_is_a_file_is_refused(notebook):
    with pytest.raises(InputError, match="cannot be made"):
        SCRIPT["_folder"](notebook(""))


def test_the_table_of_notebooks_names_every_one():
    table = (SCRIPT["NOTEBOOKS"] / "README.md").read_text(encoding="utf-8")
    notebooks = chosen([])
    assert notebooks
    for path in notebooks:
        assert f"]({path.name}) |" in table


@pytest.mark.parametrize("path", chosen([]), ids=lambda path: path.stem)
def test_a_notebook_begins_with_its_question_and_ends_with_its_answer(path):
    source = path.read_text(encoding="utf-8")
    first, *_, last = source.split("# %%")[1:]
    assert first.startswith(" [markdown]\n# # ")
    assert "**Question.**" in first
    assert last.startswith(" [markdown]\n# **")
    assert ".**\n" in f"{last}\n"
    assert any("assert " in cell for cell in source.split("# %%")[-4:-1]), "nothing asserts it"
