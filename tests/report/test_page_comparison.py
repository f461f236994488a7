"""The comparison says what is counted once for all machines that it holds for."""

import dataclasses
import html
import re

from pimsim.report import page_comparison


def rows_below(text, heading):
    table = text[text.index(f"<h3>{heading}</h3>") :]
    body = table[table.index("<tbody>") : table.index("</tbody>")]
    lines = re.findall(r"<tr[^>]*>(.*?)</tr>", body)
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", html.unescape(line)) for line in lines]


def test_equal_texts_are_said_once(rebuilt, result):
    first = dataclasses.replace(
        result.baselines[0], name="A", precision="int8", kind="gpu_measured", scope="s", source="o"
    )
    others = (
        dataclasses.replace(first, batch=8),
        dataclasses.replace(first, name="B, streamed"),
        dataclasses.replace(first, precision="fp16", source="p"),
        dataclasses.replace(first, kind="pim_simulated", name="C"),
    )
    one = rebuilt(baselines=(first, *others))
    text = page_comparison.comparison(one, {}).html()
    assert rows_below(text, "What is counted")[1:] == [
        ["A; B, streamed", "GPU measured", "s"],
        ["C", "PIM simulated", "s"],
    ]
    assert rows_below(text, "Where these numbers are from")[1:] == [
        ["A, int8; B, streamed, int8; C, int8", "o"],
        ["A, fp16", "p"],
    ]


def test_every_machine_is_in_every_table(result):
    text = page_comparison.comparison(result, {}).html()
    names = [result.architecture_name, *(baseline.name for baseline in result.baselines)]
    for heading in ("For its energy and its area", "What is counted", "Where these numbers are"):
        start = text.index(f"<h3>{heading}")
        table = html.unescape(text[start : text.index("</table>", start)])
        assert all(name in table for name in names)
    rows = text[: text.index("</table>")].count('<th scope="row">')
    assert rows == len(names)
