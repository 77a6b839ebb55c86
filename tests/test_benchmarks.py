"""The tables that benchmarks write, on given numbers; nothing here is timed."""

import re

import pytest

from benchmarks import budgets, child, long_inputs
from benchmarks.budgets import MET, NOT_MEASURED, NOT_MET, Line, Section
from benchmarks.course import Course
from benchmarks.long_inputs import Costs
from benchmarks.measuring import Taken, compared, in_turns
from benchmarks.performance import document


@pytest.mark.parametrize(
    ("figure", "unit", "text"),
    [
        (1.0449, "×", "1.045 ×"),
        (2.404, "×", "2.40 ×"),
        (0.6014, "MB", "0.601 MB"),
        (10_239.6, "MB", "10,240 MB"),
        (56.27, "s", "56.3 s"),
        (299.6, "ms", "300 ms"),
        (0, "", "0"),
        ("not installed", "MB", "not installed"),
    ],
)
def test_a_figure_is_written_with_its_unit(figure, unit, text):
    assert budgets.written(figure, unit) == text


@pytest.mark.parametrize(
    ("measured", "unit", "most", "said"),
    [
        (1.05, "×", 1.05, MET),
        # It is compared as it is written: 1.050.
        (1.0504, "×", 1.05, MET),
        (1.0506, "×", 1.05, NOT_MET),
        (300.6, "ms", 300, NOT_MET),
        (1200.0, "MB", 400, NOT_MET),
        (3, "", 0, NOT_MET),
        ("it failed", "s", 1, NOT_MEASURED),
        (7.0, "s", None, ""),
        ("it failed", "s", None, ""),
    ],
)
def test_a_figure_is_met_where_it_is_at_most_what_was_asked(measured, unit, most, said):
    assert budgets.verdict(Line("x", unit, measured, most)) == said


def test_a_table_has_a_column_for_every_peer_in_order():
    lines = (Line("bytes", "MB", 0.6, 0.7, {"B": 65.3, "A": "it drew nothing"}), Line("time", "s", 2.5))
    assert budgets.table(Section("Grid", "What it is.", lines, ("A", "B"))) == (
        "## Grid\n\nWhat it is.\n\n"
        "| what | asked, at most | Headscope | met | A | B |\n"
        "| --- | --- | --- | --- | --- | --- |\n"
        "| bytes | 0.7 MB | 0.600 MB | met | it drew nothing | 65.3 MB |\n"
        "| time |  | 2.50 s |  |  |  |\n"
    )


def test_the_summary_counts_and_names_what_is_not_met():
    lines = (Line("a", "s", 1.0, 2), Line("b", "s", 3.0, 2), Line("c", "s", "no device", 2), Line("d", "s", 9.0))
    said = budgets.summary([Section("Start", "", lines)])
    assert said == "Of 3 budgets: 1 met, 1 not met, 1 not measured. Not met: Start: b."


def test_ratios_are_medians_over_rounds_to_the_same_round():
    times = {
        "plain": [Taken(1.0, 2.0), Taken(2.0, 2.0), Taken(4.0, 2.0)],
        "way": [Taken(1.5, 3.0), Taken(2.0, 2.0), Taken(8.0, 8.0)],
    }
    found = compared(times, "plain")
    assert found["plain"] == {"seconds": 2.0, "ratio": 1.0, "processor_ratio": 1.0, "rounds": 3}
    assert found["way"] == {"seconds": 2.0, "ratio": 1.5, "processor_ratio": 1.5, "rounds": 3}


def test_ways_take_turns_and_none_always_comes_first():
    order = []
    times = in_turns({name: lambda name=name: order.append(name) for name in "abc"}, 3)
    assert "".join(order) == "abcbcacab"
    assert {name: len(found) for name, found in times.items()} == {"a": 3, "b": 3, "c": 3}


def test_lines_of_long_texts_put_each_figure_under_its_name():
    ways = {
        "plain": {"ratio": 1.0},
        "record": {"ratio": 1.02},
        "statistics": {"ratio": 1.31},
        "overview": {"ratio": 1.5},
    }
    eager = {"ways": {"eager": {"ratio": 2.4}, "eager statistics": {"ratio": 3.7}}, "bytes": 2_500_000_000}
    costs = Costs(
        own={1024: {"ways": ways}, 2048: {"ways": ways}, 4096: "it ended"},
        eager={2048: eager, 4096: "left out"},
        peers={"nnsight": {"1024": {"ratio": 2.0, "bytes": 867_000_000}}, "TransformerLens": "not installed"},
        memory={"statistics": 396.6},
    )
    capture = costs.capture_line(2048)
    assert (capture.measured, capture.most) == (1.02, 1.05)
    assert capture.peers == {
        "eager output_attentions": 2.4,
        "nnsight": "not run",
        "TransformerLens": "not installed",
    }
    assert costs.capture_line(1024).peers["nnsight"] == 2.0
    assert costs.capture_line(4096).measured == "it ended"
    statistics = costs.statistics_line(2048)
    assert (statistics.measured, statistics.most) == (1.31, 1.3)
    assert statistics.peers == {"eager output_attentions": 3.7}
    assert costs.statistics_line(1024).most is None
    assert costs.overview_line(2048).measured == 1.5
    memory = costs.memory_line("statistics", "statistics", 2048, 400)
    assert (memory.measured, memory.peers["eager output_attentions"]) == (396.6, 2500.0)
    assert costs.memory_line("peers", "", 1024).peers["nnsight"] == 867.0


def test_without_a_graphics_card_its_lines_say_so():
    from benchmarks.long_inputs_gpu import gpu_section

    section = gpu_section(Course(), "cpu", quick=False)
    assert [(line.most, budgets.verdict(line)) for line in section.lines] == [(1.05, NOT_MEASURED), (1.3, NOT_MEASURED)]
    assert all("32,768" in line.what for line in section.lines)


def test_a_part_that_fails_is_told_without_paths_and_the_others_go_on(capsys):
    course = Course()

    def fail():
        raise RuntimeError("cannot open /some/where/file.txt | for us\nand more")

    assert course.measure("one", fail) == "RuntimeError: cannot open … / for us"
    assert course.measure("two", lambda: 7) == 7
    assert "one ... RuntimeError" in capsys.readouterr().out


def test_nothing_more_is_asked_when_the_time_is_up():
    assert Course(minutes=0).measure("late", lambda: 1) == "not run: the 0 minutes were over"


def test_a_process_that_says_nothing_is_told_by_its_last_words():
    with pytest.raises(child.Unmeasured, match="No module named"):
        child.ask("benchmarks.no_such_module")
    with pytest.raises(child.Unmeasured, match="not done after"):
        child.ask("timeit", "-n1", "-r1", "import time; time.sleep(30)", seconds=1)


def test_what_a_process_could_not_measure_is_told_as_it_said_it():
    program = "from benchmarks.child import Unmeasured; raise Unmeasured('more than 60 s')"
    with pytest.raises(child.Unmeasured) as caught:
        child.ask("timeit", "-n1", "-r1", program)
    assert str(caught.value) == "more than 60 s"


def test_a_process_answers_with_its_last_line_of_json():
    program = "from benchmarks.child import answer; print('noise'); answer({'bytes': 5}); print('more')"
    assert child.ask("timeit", "-n1", "-r1", program) == {"bytes": 5}


def test_the_document_names_the_command_the_date_and_every_section():
    sections = [Section("Start", "How.", (Line("cold", "s", 4.0, 10),)), Section("Graphics card", "Not measured.", ())]
    text = document(sections, ["- 2 cores"], options=" --quick", date="2026-11-21", minutes=3.25)
    assert "python -m benchmarks.performance --out docs/performance.md --quick` on 2026-11-21" in " ".join(text.split())
    assert "in one run of 3.2 minutes" in text
    assert "Of 1 budgets: 1 met" in text
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Start", "Graphics card"]
    assert "| cold | 10 s | 4.00 s | met |" in text


def test_every_budget_of_long_texts_has_a_length_that_is_measured():
    assert set(long_inputs.LENGTHS) <= set(long_inputs.ROUNDS)
    assert set(long_inputs.LENGTHS) <= set(long_inputs.EAGER_ROUNDS)
    assert set(long_inputs.GPU_LENGTHS) <= set(long_inputs.ROUNDS)
