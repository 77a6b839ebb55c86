"""A long text on the Attention page: an overview first, exact parts on demand, search, and the strongest pairs."""

from functools import cache

import numpy as np
import pytest

from app import long_head_panel, state
from app.attention_pictures import ShownHead, selected_rows, selected_view, strongest_in_cell
from app.selection import Selection
from model import load_model
from model.overview import record_overview
from tests.app_session import html_of, messages, notices, open_page
from tests.long_texts import letters, save_long_decoder

TOKENS = 1100
CELL = 4  # the least whole number of rows at which 1,100 of them fit 342 cells


@pytest.fixture(scope="module")
def folder(tmp_path_factory, tiny_tokenizer):
    made = tmp_path_factory.mktemp("long decoder")
    save_long_decoder(made, tiny_tokenizer)
    return made


@pytest.fixture(scope="module")
def trace(folder):
    """The run that the page makes: another one rounds otherwise from the first layer on."""
    return record_overview(load_model(str(folder), device="cpu"), letters(TOKENS)).trace


@pytest.fixture(scope="module")
def weights(trace):
    """The exact weights of L1 H0."""
    return trace.attention(1, 0)


@pytest.fixture
def opened(folder):
    @cache
    def open_long(**parameters):
        session = open_page(model=str(folder), text=letters(TOKENS), layer="1", head="0", **parameters)
        assert not session.exception
        assert not notices(session)
        return session

    return open_long


def pooled(exact: np.ndarray, reduce) -> np.ndarray:
    """Return the reduction over every block of CELL x CELL weights that may be attended to, NaN where there is none."""
    allowed = np.tril(np.ones(exact.shape, dtype=bool))
    starts = range(0, len(exact), CELL)
    found = np.full((len(starts), len(starts)), np.nan, dtype=np.float32)
    for row, top in enumerate(starts):
        for column, left in enumerate(starts):
            part = exact[top : top + CELL, left : left + CELL][allowed[top : top + CELL, left : left + CELL]]
            if part.size:
                found[row, column] = reduce(part)
    return found


@pytest.mark.parametrize(("pooling", "reduce"), [("maximum", np.max), ("mean", np.mean)])
def test_a_long_head_is_seen_from_afar_first(opened, weights, pooling, reduce):
    head = messages(opened(pooling=pooling))["head_view"]
    assert head["long"]["part"] == [0, 0, TOKENS, TOKENS]
    assert head["long"]["whole"] == [TOKENS, TOKENS]
    assert head["long"]["cell"] == [CELL, CELL]
    assert head["long"]["pooling"] == pooling
    assert np.allclose(head["weights"], pooled(weights, reduce), atol=1e-6, equal_nan=True)


def test_a_part_is_exact(opened, weights):
    session = opened(zoom="500,300,200,250")
    head = messages(session)["head_view"]
    assert head["long"]["part"] == [500, 300, 200, 250]
    assert head["long"]["cell"] == [1, 1]
    assert np.allclose(np.nan_to_num(head["weights"]), weights[500:700, 300:550], atol=1e-6)
    assert "queries 500–699, keys 300–549: exact" in html_of(session)


def test_the_strongest_pairs_are_off_the_diagonal_and_the_first_token(opened, weights):
    found = messages(opened())["head_view"]["long"]["strongest"]
    assert len(found) == 20
    for query, key, weight, _, _ in found:
        assert weight == pytest.approx(weights[query, key], abs=1e-6)
        assert key > 0
        assert query - key > 1
    assert [entry[2] for entry in found] == sorted((entry[2] for entry in found), reverse=True)


def test_a_short_text_is_sent_whole():
    assert "long" not in messages(open_page())["head_view"]


def test_a_search_selects_the_next_match_and_shows_its_rows(opened):
    session = opened(find="a b")
    places = [place for place in range(TOKENS - 1) if letters(TOKENS).split()[place : place + 2] == ["a", "b"]]
    assert f"– of {len(places)}" in html_of(session)
    for expected in places[:2]:
        next(button for button in session.button if button.label == "›").click().run()
        assert session.query_params["token"] == f"q{expected}"
        part = messages(session)["head_view"]["long"]["part"]
        assert part[0] <= expected < part[0] + part[2]
        assert part[3] == TOKENS
    next(button for button in session.button if button.label == "Whole head").click().run()
    assert messages(session)["head_view"]["long"]["part"] == [0, 0, TOKENS, TOKENS]
    session.text_input(key="widget_find").set_value("zzz").run()
    assert "not in the text" in html_of(session)


def test_the_list_of_a_token_is_exact_also_from_afar(opened, weights):
    session = opened(token="q700")
    largest = np.sort(weights[700])[::-1][:6]
    assert all(f"{weight:.3f}" in html_of(session) for weight in largest)
    assert messages(session)["head_view"]["selected"] == f"q{700 // CELL}"


def test_thumbnails_of_a_long_text_hold_the_largest_weight(opened, weights):
    grid = messages(opened())["head_grid"]
    assert grid["maxima"][1, 0] == pytest.approx(weights.max(), abs=1e-6)
    assert len(grid["tiles"].tobytes()) <= 600_000


@pytest.mark.parametrize(
    ("picked", "changed"),
    [
        ({"zoom": "10,20,30,40"}, {"zoom": "10,20,30,40"}),
        ({"zoom": "1095,1095,30,40"}, {"zoom": "1070,1060,30,40"}),
        ({"zoom": ""}, {"zoom": ""}),
        ({"zoom": "<b>"}, {"zoom": ""}),
        ({"zoom": "0,0,64,64", "pair": [40, 3]}, {"zoom": "0,0,64,64", "token": "q40"}),
        ("q2", {"token": "q8"}),
    ],
)
def test_what_a_click_in_a_long_head_does(trace, monkeypatch, picked, changed):
    selection = Selection(layer=1, head=0)
    rows = selected_rows(trace, selection, "decoder")
    found = {}
    monkeypatch.setattr(state, "change", lambda **values: found.update(values))
    long_head_panel.picked_in_head(ShownHead(rows, selected_view(rows, selection)), picked)
    assert found == changed


def test_the_largest_weight_of_a_pooled_cell(trace, weights):
    selection = Selection(layer=1, head=0)
    rows = selected_rows(trace, selection, "decoder")
    query, key = strongest_in_cell(ShownHead(rows, selected_view(rows, selection)), 150, 75)
    part = weights[600:604, 300:304]
    row, column = np.unravel_index(part.argmax(), part.shape)
    assert (query, key) == (f"q{600 + row}", f"k{300 + column}")
