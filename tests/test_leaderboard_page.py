"""Real sets on the Coreference page: shipped results, what is said of them, and measuring a set of one's own."""

import pytest

from app import export
from app.figures.theme import theme
from app.leaderboard_frames import gap_sentence, groups_frame, heads_frame, set_name, summary, written
from app.leaderboard_panel import charts
from model.coreference_results import shipped_results
from tests.app_session import html_of, notices, open_page

PAGE = "../pages/coreference.py"
SHIPPED = shipped_results("minilm")
ROWS = (
    ("pro_stereotyped_type1.txt", "she", "he"),
    ("anti_stereotyped_type1.txt", "he", "she"),
)


@pytest.fixture
def folder(tmp_path):
    """A folder with a few sentences in the format of WinoBias."""
    for name, first, second in ROWS:
        lines = [
            f"1 [The nurse] thanked the farmer because [{first}] was grateful.",
            f"2 The nurse thanked [the farmer] because [{second}] had helped.",
            f"3 [The clerk] called the guard because [{first}] was afraid.",
            f"4 The clerk called [the guard] because [{second}] was strong.",
        ]
        (tmp_path / name).write_text("\n".join(lines) + "\n")
    return tmp_path


def sets_page(**parameters: str):
    session = open_page(view="real sets", **parameters)
    session.switch_page(PAGE).run()
    assert not session.exception
    return session


def test_the_page_shows_the_shipped_results_against_the_baselines():
    session = sets_page(example_set="gap")
    held_out = SHIPPED.sets["gap"].held_out
    shown = html_of(session)
    assert written(held_out) in shown
    assert written(held_out.baselines["nearest"]) in shown
    assert f"{SHIPPED.sets['gap'].n} examples" in shown
    assert session.selectbox(key="widget_example_set").value == "gap"


@pytest.mark.parametrize("name", SHIPPED.sets)
def test_every_set_has_its_charts_and_they_are_exported(name):
    found = SHIPPED.sets[name]
    made = charts(found)
    assert set(made) == {"accuracy", "groups", "gap"} if "winobias" in name else {"accuracy", "groups"}
    for kind, make in made.items():
        svg = export.chart_svg(make(theme("dark")), f"{name} {kind}", export.describe_results(SHIPPED, title=name))
        assert svg.startswith("<svg")
        assert f"<title>{name} {kind}</title>" in svg
        assert "minilm" in svg


def test_figures_and_frames_say_what_the_results_hold():
    found = SHIPPED.sets["winobias"]
    assert [who for who, _, _ in summary(found)] == [
        found.held_out.name, "nearest candidate", "first candidate", "random candidate",
    ]  # fmt: skip
    frame = heads_frame(found)
    assert len(frame) == 72
    assert (frame.pro - frame.anti - frame.gap).abs().max() < 1e-9
    groups = groups_frame(found.held_out)
    assert set(groups.group) >= {"gender", "stereotype"}
    assert found.largest_gaps[0].name in gap_sentence(found)
    assert gap_sentence(SHIPPED.sets["gap"]) == ""
    assert (set_name("gap"), set_name("winobias type 2"), set_name("other")) == ("GAP", "WinoBias type 2", "other")


def test_a_set_of_ones_own_is_measured_and_stands_beside_the_shipped_ones(folder):
    session = sets_page()
    session.segmented_control(key="measure_set").set_value("winobias").run()
    session.text_input(key="measure_folder").set_value(str(folder)).run()
    next(button for button in session.button if button.label == "Measure").click().run()
    assert not session.exception
    assert session.selectbox(key="widget_example_set").value == "winobias"
    assert "8 examples" in html_of(session)
    assert {"Winogender", "GAP"} <= set(session.selectbox(key="widget_example_set").options)


def test_a_folder_that_holds_no_set_is_said(tmp_path):
    session = sets_page()
    session.text_input(key="measure_folder").set_value(str(tmp_path / "nothing")).run()
    next(button for button in session.button if button.label == "Measure").click().run()
    assert notices(session)
    assert session.text_input(key="measure_folder").value.endswith("nothing")


def test_another_model_has_no_results_yet_and_says_how_to_get_them(monkeypatch):
    monkeypatch.setattr("app.engine.shipped_results", lambda model: None)
    session = sets_page(dtype="float32")
    assert any("Measure a set" in notice for notice in notices(session))
