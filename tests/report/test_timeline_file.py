"""timeline.parquet holds everything, exactly, and is a plain table besides."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from pimsim.errors import InputError
from pimsim.records import Timeline
from pimsim.report import timeline_file
from tests.timing.timelines import Use, timeline_of


def test_a_timeline_comes_back_equal(result, equal, tmp_path):
    timeline_file.write(result.timeline, tmp_path / "timeline.parquet")
    assert equal(timeline_file.read(tmp_path / "timeline.parquet"), result.timeline)


def test_several_inferences_come_back_equal(equal, tmp_path):
    timeline = timeline_of(
        [Use("noc", 0, 3, request=0, wait_ps=0), Use("noc", 3, 6, request=1, wait_ps=3)],
        latency_ps=3,
        request_start_ps=(0, 0),
        request_end_ps=(3, 6),
        loading_ps=100,
        reprogramming_ps=1,
        token_group=4,
    )
    timeline_file.write(timeline, tmp_path / "timeline.parquet")
    assert equal(timeline_file.read(tmp_path / "timeline.parquet"), timeline)


def test_it_reads_as_a_plain_parquet_table(written, result):
    frame = pd.read_parquet(written / "timeline.parquet")
    line = result.timeline
    columns = ["start_ps", "end_ps", "resource", "op", "token", "wait_ps", "request"]
    assert list(frame.columns) == columns
    busy_ps = (frame["end_ps"] - frame["start_ps"]).groupby(frame["resource"]).sum()
    for index, resource in enumerate(line.resources):
        own = line.resource == index
        assert busy_ps[resource] == int((line.end_ps - line.start_ps)[own].sum())
    assert frame["wait_ps"].tolist() == line.wait_ps.tolist()


def test_a_file_without_what_was_added_later_is_read(result, equal, tmp_path):
    path = tmp_path / "timeline.parquet"
    timeline_file.write(result.timeline, path)
    table = pq.read_table(path).drop_columns(["wait_ps", "request"])
    metadata = json.loads(table.schema.metadata[b"pimsim_timeline"])
    first = ("format_version", "resources", "resource_classes", "ops", "latency_ps")
    first += ("critical_path_ps", "reads", "moved", "events")
    text = json.dumps({key: metadata[key] for key in first})
    pq.write_table(table.replace_schema_metadata({b"pimsim_timeline": text.encode()}), path)
    given = {
        field.name
        for field in dataclasses.fields(Timeline)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    }
    old = Timeline(**{name: getattr(result.timeline, name) for name in given})
    assert equal(timeline_file.read(path), old)
    assert len(old.wait_ps) == 0


def test_what_is_no_timeline_is_told_so(tmp_path):
    path = tmp_path / "timeline.parquet"
    path.write_bytes(b"PAR1")
    with pytest.raises(InputError, match="not a timeline that pimsim wrote"):
        timeline_file.read(path)
    pd.DataFrame({"start_ps": np.arange(3)}).to_parquet(path)
    with pytest.raises(InputError, match="not a timeline that pimsim wrote"):
        timeline_file.read(path)
