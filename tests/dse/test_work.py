"""Tasks that share values are started by one process, in a row; the others in their order."""

from dataclasses import replace

from pimsim.dse.task import Run, Task
from pimsim.dse.work import Work

RUN = Run("w", 0, 1, 1, 1, None, None, None)


def tasks(*families: str, courses: str | None = None) -> dict[str, Task]:
    """One task per letter, of that family; keys are numbers."""
    return {
        str(number): Task("a", (), RUN, str(number), family, courses and courses[number])
        for number, family in enumerate(families)
    }


def taken(work: Work, *lanes: int) -> list[str]:
    """Keys that processes get when they ask in this order."""
    entries = [work.take(lane) for lane in lanes]
    return [entry[0] for entry in entries if entry is not None]


def anyone(key: str) -> bool:
    return True


def test_without_relatives_the_order_is_that_of_the_points():
    assert taken(Work(tasks(*"abcdef"), anyone), 0, 1, 0, 0, 1, 1) == list("012345")


def test_a_process_keeps_to_a_family_and_another_takes_the_next():
    work = Work(tasks(*"abcabcabc"), anyone)
    assert taken(work, 0, 1, 0, 1, 0, 1) == ["0", "1", "3", "4", "6", "7"]
    assert taken(work, 1, 0, 0) == ["2", "8", "5"]  # the last family is shared from its end
    assert work.take(0) is None


def test_a_single_family_is_shared():
    assert taken(Work(tasks(*"aaaa"), anyone), 0, 1, 0, 1) == ["0", "3", "1", "2"]


def test_in_a_family_runs_stay_together_and_courses_in_them():
    work = Work(tasks(*"aaaaaa", courses="xyxyxy"), anyone)
    assert taken(work, *[0] * 6) == ["0", "2", "4", "1", "3", "5"]
    other = replace(RUN, seed=1)
    mixed = {
        key: replace(task, run=other if int(key) % 2 else RUN)
        for key, task in tasks(*"aaaa", courses="xxyy").items()
    }
    assert taken(Work(mixed, anyone), *[0] * 4) == ["0", "2", "1", "3"]


def test_a_task_is_claimed_when_it_is_started():
    asked = []

    def claim(key: str) -> bool:
        asked.append(key)
        return key != "1"

    work = Work(tasks(*"abc"), claim)
    assert not asked
    assert taken(work, 0) == ["0"]
    assert asked == ["0"]
    assert taken(work, 0) == ["2"]
    assert work.elsewhere == ["1"]
