"""The table of a logit lens: every cell where it belongs, with its colour, its numbers, and the true token framed."""

import json
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from app.figures.lens_table import COLOURS, LONGEST_TOKEN, MOST_POSITIONS, lens_table, short
from app.figures.theme import hexadecimal, ink, theme
from model.errors import HeadscopeError
from tests.hand_views import CLEANED, HOSTILE, SVG, read_svg, tags, texts

LIGHT, DARK = theme("light"), theme("dark")


def hand_frame(positions=3, layers=3, **columns):
    """Return a frame of tokens t0, t1, ... whose cells say w<layer>.<position>; the last position has no truth."""
    index = [(layer, position) for layer in range(layers) for position in range(positions)]
    last = positions - 1
    rows = [
        {
            "layer": layer, "position": position, "token": f"t{position}",
            "truth": None if position == last else f"t{position + 1}",
            "rank": pd.NA if position == last else 10 ** (2 - min(layer, 2)),
            "truth_probability": np.nan if position == last else 0.25,
            "entropy": float(layer * positions + position), "divergence": float(2 - min(layer, 2)), "agrees": layer == 2,
            "top_1": f"w{layer}.{position}", "probability_1": 0.2 * layer, "top_2": "other", "probability_2": 0.00001,
        }
        for layer, position in index
    ]  # fmt: skip
    frame = pd.DataFrame(rows).assign(**columns)
    return frame.assign(rank=frame["rank"].astype("Int64"))


def drawn(frame=None, appearance=LIGHT, **options):
    told = {"title": "T", "provenance": {}, **options}
    return read_svg(lens_table(hand_frame() if frame is None else frame, theme=appearance, **told))


def cells(root) -> dict[str, dict]:
    """Return the word of each cell -> its rectangle, its number, what it says on hover."""
    found = {}
    for group in root.iter(f"{SVG}g"):
        words = [text.text for text in group.iter(f"{SVG}text")]
        box, letters = group.find(f"{SVG}rect"), group.find(f"{SVG}text")
        found[words[0]] = {
            "x": float(box.get("x")), "y": float(box.get("y")), "fill": box.get("fill"), "stroke": box.get("stroke"),
            "ink": letters.get("fill"), "number": words[1] if len(words) > 1 else None, "told": group.find(f"{SVG}title").text,
            "width": float(box.get("width")),
        }  # fmt: skip
    return found


def test_layers_go_up_and_positions_to_the_right():
    found = cells(drawn())
    assert len(found) == 9
    for layer in (0, 1):
        assert found[f"w{layer}.0"]["y"] > found[f"w{layer + 1}.0"]["y"]
    for position in (0, 1):
        assert found[f"w1.{position}"]["x"] < found[f"w1.{position + 1}"]["x"]
    names = {
        t.text: float(t.get("y")) for t in drawn().iter(f"{SVG}text") if t.text in ("embeddings", "L0", "L1 = output")
    }
    assert names["embeddings"] > names["L0"] > names["L1 = output"]


def test_the_tokens_that_are_read_stand_below_and_the_true_ones_above():
    root = drawn()
    boxes = cells(root)
    places = {t.text: (float(t.get("x")), float(t.get("y"))) for t in root.iter(f"{SVG}text") if t.get("font-weight")}
    written = [t.text for t in root.iter(f"{SVG}text") if t.get("font-weight") == "600"]
    # t1 and t2 are read and true, t0 is only read.
    assert sorted(written) == ["T", "t0", "t1", "t1", "t2", "t2"]
    assert places["t0"][1] > boxes["w0.0"]["y"]
    true = [t for t in root.iter(f"{SVG}text") if t.get("fill") == LIGHT.accent]
    assert [t.text for t in true] == ["t1", "t2"]
    assert all(float(t.get("y")) < boxes["w2.0"]["y"] for t in true)
    assert float(true[0].get("x")) == pytest.approx(boxes["w2.0"]["x"] + boxes["w2.0"]["width"] / 2, abs=0.1)


@pytest.mark.parametrize("appearance", [LIGHT, DARK])
def test_colours_are_those_of_the_values(appearance):
    def fills(colour):
        return {
            word: (cell["fill"], cell["number"]) for word, cell in cells(drawn(None, appearance, colour=colour)).items()
        }

    level = [hexadecimal(rgb) for rgb in appearance.sequential]
    # 0.4 of 255 is level 102.
    assert fills("probability")["w2.0"] == (level[102], "0.400")
    # The largest entropy is 8: 4 is the middle, level 127.5, rounded to even.
    assert fills("entropy")["w1.1"] == (level[128], "4.00")
    assert fills("entropy")["w2.2"] == (level[255], "8.00")
    # sqrt(1/2) of 255 is 180.3.
    assert fills("KL")["w1.0"] == (level[180], "1.00")
    # Ranks 100, 10 and 1 on a logarithmic scale.
    assert [fills("rank")[f"w{layer}.0"] for layer in range(3)] == [
        (level[0], "100"),
        (level[128], "10"),
        (level[255], "1"),
    ]
    assert fills("rank")["w1.2"] == (appearance.masked, None)
    for cell in cells(drawn(None, appearance)).values():
        rgb = np.array([int(cell["fill"][start : start + 2], 16) for start in (1, 3, 5)])
        assert cell["ink"] == ink(rgb)


def test_the_legend_names_the_ends_of_the_scale():
    ends = {"probability": ("0", "1"), "entropy": ("0", "8.00"), "KL": ("0", "2.00"), "rank": ("100", "1")}
    assert set(ends) == set(COLOURS)
    for colour, marks in ends.items():
        assert texts(drawn(colour=colour))[-3:-1] == list(marks)


def test_a_cell_is_framed_where_the_true_token_comes_first():
    found = cells(drawn())
    assert {word for word, cell in found.items() if cell["stroke"] == LIGHT.accent} == {"w2.0", "w2.1"}


def test_a_cell_tells_all_that_is_known():
    assert cells(drawn())["w2.0"]["told"].splitlines() == [
        "L1, position 0: t0", "1. w2.0 0.400", "2. other 1e−5", "true: t1, rank 1, probability 0.250",
        "entropy 6.000 bits, KL from the last layer 0.000 bits",
    ]  # fmt: skip
    assert "true" not in cells(drawn())["w2.2"]["told"]
    assert cells(drawn())["w0.2"]["told"].startswith("embeddings, position 2: t2\n")


def test_probabilities_are_short():
    assert [short(value) for value in (1.0, 0.1234, 0.0005, 0.0004, 3.2e-12, 0)] == [
        "1.000", "0.123", "0.001", "4e−4", "3e−12", "0.000",
    ]  # fmt: skip


def test_a_long_text_is_shown_in_windows_on_one_scale():
    frame = hand_frame(positions=40)
    first, second = drawn(frame, colour="entropy"), drawn(frame, colour="entropy", first=16)
    assert len(cells(first)) == 3 * MOST_POSITIONS
    assert {"w0.16", "w2.31"} <= set(cells(second))
    assert "w0.15" not in cells(second)
    assert texts(first)[-3:-1] == texts(second)[-3:-1] == ["0", "119.00"]
    assert any("Positions 16 to 31, 16 of 40." in text for text in texts(second))
    assert len(cells(drawn(frame, first=38))) == 6
    assert float(first.get("width")) < 1900
    assert not any("Positions" in text for text in texts(drawn()))


def test_grey_is_explained_where_there_is_some():
    assert any("Grey where no true token is known." in text for text in texts(drawn(colour="rank")))
    assert not any("Grey" in text for text in texts(drawn(colour="entropy")))


@pytest.mark.parametrize("layers", [1, 2, 13, 81])
def test_many_layers_stay_apart(layers):
    root = drawn(hand_frame(layers=layers))
    found = cells(root)
    tops = sorted(float(cell["y"]) for word, cell in found.items() if word.endswith(".0"))
    assert len(tops) == layers
    assert all(below - above >= 20 for above, below in pairwise(tops))
    sizes = {float(t.get("font-size")) for t in root.iter(f"{SVG}text")}
    assert min(sizes) >= 10
    assert (next(iter(found.values()))["number"] is None) == (layers == 81)


def test_long_tokens_are_clipped_and_stay_inside_their_cells():
    frame = hand_frame(top_1="w" * 40, token="t" * 40)
    root = drawn(frame)
    box = next(cell for cell in cells(root).values())
    for text in root.iter(f"{SVG}text"):
        if text.text.endswith("…") and set(text.text) <= set("wt…"):
            assert len(text.text) <= LONGEST_TOKEN
            assert 0.61 * float(text.get("font-size")) * len(text.text) <= box["width"]
    assert "w" * 40 in box["told"]
    read = [t for t in root.iter(f"{SVG}text") if t.text.startswith("ttt")]
    assert [t.find(f"{SVG}title").text for t in read] == ["t" * 40] * 3


def test_text_stays_text_and_the_origin_is_kept():
    # A string column of pandas refuses a lone surrogate.
    hostile = pd.Series(list(HOSTILE) * 2, dtype=object)
    frame = hand_frame(positions=len(HOSTILE), layers=2)
    frame = frame.assign(**dict.fromkeys(("top_1", "token", "truth", "top_2"), hostile))
    root = drawn(frame, title="".join(HOSTILE), provenance={"text": HOSTILE[0]})
    assert tags(root) == {"svg", "title", "desc", "metadata", "rect", "text", "g"}
    assert root.find(f"{SVG}title").text == "".join(CLEANED)
    assert json.loads(root.find(f"{SVG}metadata").text) == {"text": HOSTILE[0]}
    told = [group.find(f"{SVG}title").text for group in root.iter(f"{SVG}g")]
    assert all(any(f"1. {token} " in text for text in told) for token in CLEANED)


def test_what_cannot_be_drawn_is_refused():
    for options in ({"colour": "beauty"}, {"first": 3}):
        with pytest.raises(HeadscopeError, match="Choose a position of the text, and colour by one of probability"):
            drawn(**options)


def test_the_frame_is_left_as_it_was():
    frame = hand_frame()
    before = frame.copy()
    drawn(frame, colour="rank")
    pd.testing.assert_frame_equal(frame, before)
