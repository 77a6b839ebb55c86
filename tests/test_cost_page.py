"""The Cost page from the entry: the table, what is counted before measuring, measuring, and its exports."""

import pytest

from app import cache, cost_panel, export
from app.cost_panel import BYTES, OPERATIONS, SECONDS, SHOWN, MeasuredCosts, chart, cost_table, costs
from app.figures.theme import theme
from model.analysis.cost import LAYER_OF, CostSizes, measure_costs
from tests.app_session import notices, open_page

PAGE = "../pages/cost.py"
TINY = CostSizes(lengths=(4, 8, 16), widths=(2, 4, 8), fixed_length=4, fixed_width=4, seconds=0.01)


@pytest.fixture
def session(monkeypatch):
    """The page with sizes that are measured in a moment, and nothing measured yet."""
    monkeypatch.setattr(cost_panel, "SIZES", TINY)
    cache.pictures.clear()
    session = open_page(cost_length="4", cost_width="4")
    session.switch_page(PAGE).run()
    assert not session.exception
    assert not notices(session)
    yield session
    cache.pictures.clear()


def button(session, label: str):
    return next(one for one in session.button if one.label == label)


def captions(session) -> str:
    return "\n".join(element.value for element in session.caption)


def shown(session):
    return next(group for group in session.get("button_group") if str(group.key).startswith("cost_shown"))


def measured() -> MeasuredCosts:
    return MeasuredCosts(measure_costs(TINY, lambda share, doing: None), "this machine")


def test_before_measuring_the_page_shows_the_table_and_counted_operations(session):
    text = "\n".join(element.value for element in session.markdown)
    assert "$n^2 \\cdot d$ = 64" in text
    assert "$O(\\log_k(n))$: 2" in text
    assert "not measured" in captions(session)
    assert len(session.get("vega_lite_chart")) == 2
    assert [option.content for option in shown(session).proto.options] == [SHOWN[OPERATIONS]]


def test_sizes_are_chosen_and_counted(session):
    session.number_input(key="widget_cost_length").set_value(10).run()
    session.number_input(key="widget_cost_kernel").set_value(5).run()
    text = "\n".join(element.value for element in session.markdown)
    assert "$k \\cdot n \\cdot d^2$ = 800" in text
    assert "$O(n)$: 10" in text
    assert session.query_params["cost_length"] in ("10", ["10"])


def test_measuring_shows_times_and_memory_and_keeps_them(session):
    button(session, "Measure here").click().run()
    assert not session.exception
    assert not notices(session)
    assert "PyTorch" in captions(session)
    assert len(shown(session).proto.options) == 3
    kept = cache.pictures().get(("layer costs", TINY))
    assert set(kept.frame["kind"]) == set(LAYER_OF)
    session.run()
    assert button(session, "Measure again")
    assert cache.pictures().get(("layer costs", TINY)) is kept
    again = open_page(cost_length="4", cost_width="4")
    again.switch_page(PAGE).run()
    assert len(shown(again).proto.options) == 3


def test_a_measurement_that_is_stopped_leaves_nothing(session, monkeypatch):
    class Stop(Exception):
        pass

    def stopped(sizes, progress):
        progress(0.5, "Measuring")
        raise Stop

    monkeypatch.setattr(cost_panel, "measure_costs", stopped)
    button(session, "Measure here").click().run()
    assert notices(session)
    assert cache.pictures().get(("layer costs", TINY)) is None
    assert button(session, "Measure here")


def test_the_table_by_hand():
    rows = cost_table(100, 10, 3).splitlines()[2:]
    assert rows[0] == "| Self-attention | $n^2 \\cdot d$ = 100,000 | $O(1)$: 1 | $O(1)$: 1 |"
    assert rows[1] == "| Recurrence | $n \\cdot d^2$ = 10,000 | $O(n)$: 100 | $O(n)$: 100 |"
    assert rows[2] == "| Convolution | $k \\cdot n \\cdot d^2$ = 30,000 | $O(1)$: 1 | $O(\\log_k(n))$: 5 |"


def test_counted_operations_have_the_exponents_of_the_formulas():
    frame = costs(TINY, OPERATIONS, None)
    described = {over: chart(TINY, OPERATIONS, frame, over, theme("light")).description for over in ("n", "d")}
    for kind, exponents in {"self-attention": "21", "recurrence": "12", "convolution": "12"}.items():
        assert f"{kind}  n^{exponents[0]}" in described["n"]
        assert f"{kind}  d^{exponents[1]}" in described["d"]


@pytest.mark.parametrize("picture", [f"{kind} {over}" for kind in (OPERATIONS, SECONDS, BYTES) for over in "nd"])
def test_every_chart_is_exported_in_every_format(picture):
    files = cost_panel._files(TINY, measured(), picture, theme("dark"))
    made = {extension: make() for extension, make in files.makers.items()}
    assert set(made) == {"SVG", "PDF", "PNG", "CSV"}
    assert made["SVG"].startswith(b"<svg")
    assert made["PDF"].startswith(b"%PDF")
    assert made["PNG"].startswith(b"\x89PNG")
    assert made["CSV"].decode().startswith(f'"kind","n","d","{picture.split()[0]}",')
    assert ("counted, not measured" in made["SVG"].decode()) == picture.startswith(OPERATIONS)
    assert export.file_name(files.name, "SVG") == f"headscope_cost_{picture.replace(' ', '_')}.svg"
