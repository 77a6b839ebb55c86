"""The picture of a beam search, from a lattice made by hand: where tokens and lines stand, what is marked, what is escaped."""

import re

import pytest

from app.figures.beam_lattice import GAP, LEFT, LETTER, LONGEST_TOKEN, ROW, SIZE, TOP, beam_lattice
from app.figures.theme import theme
from model.beams import BeamCandidate, BeamHypothesis, BeamSearch
from tests.hand_views import CLEANED, HOSTILE, SVG, read_svg, tags

LIGHT = theme("light")
START = TOP + ROW / 2


def hypothesis(text: str, parent: int | None, score: float, ended: bool = False) -> BeamHypothesis:
    return BeamHypothesis(token_id=7, text=text, parent=parent, total=2 * score, score=score, ended=ended)


# The second of the first step becomes the best; “the” is left without a child, “cat” ends, “dog” is dropped at the last.
SEARCH = BeamSearch(
    steps=(
        (hypothesis("the", None, -0.5), hypothesis("a", None, -0.75), hypothesis("an", None, -0.9)),
        (hypothesis("cat", 1, -0.25), hypothesis("cat", 2, -0.375, ended=True), hypothesis("fox", 1, -1.0)),
        (hypothesis("</s>", 0, -0.125, ended=True), hypothesis("dog", 2, -2.0)),
    ),
    candidates=(BeamCandidate("a cat", -0.125, (1, 0, 0)), BeamCandidate("an cat", -0.375, (2, 1))),
)


def drawn(search=SEARCH, written=None, appearance=LIGHT, title="Beam", **provenance):
    return read_svg(beam_lattice(search, theme=appearance, title=title, written=written, provenance=provenance))


def links(root) -> list[tuple[list[float], dict]]:
    """Return the numbers of each line from a hypothesis to the next, and its attributes."""
    paths = root.find(f"{SVG}g").findall(f"{SVG}path")
    return [([float(found) for found in re.findall(r"[\d.]+", path.get("d"))], path.attrib) for path in paths]


def cells(root) -> dict[tuple[str, str], list]:
    """Return (token, score): the elements of each hypothesis."""
    groups = [group for group in root.findall(f"{SVG}g") if group.find(f"{SVG}title") is not None]
    return {tuple(text.text for text in group.findall(f"{SVG}text")): list(group) for group in groups}


def column_left(step: int) -> float:
    """By hand: columns are as wide as their widest text, here a score of six figures, and 14 around it."""
    return LEFT + step * (GAP + 6 * 13 * LETTER + 14)


def test_a_line_goes_from_every_parent_to_its_child():
    found = {(path[1], path[-1], round(path[-2], 1)) for path, _ in links(drawn())}
    rows = [TOP + (row + 0.5) * ROW for row in range(3)]
    expected = {(START, rows[row], round(LEFT, 1)) for row in range(3)}
    expected |= {(rows[parent], rows[row], round(column_left(1), 1)) for row, parent in enumerate((1, 2, 1))}
    expected |= {(rows[parent], rows[row], round(column_left(2), 1)) for row, parent in enumerate((0, 2))}
    assert found == expected
    assert all(path[0] <= path[2] < path[-2] for path, _ in links(drawn()))


def test_the_path_of_the_best_has_the_accent_and_the_thickest_lines():
    marked = [path for path, attributes in links(drawn()) if attributes["stroke"] == LIGHT.accent]
    assert [path[-1] for path in marked] == [TOP + 1.5 * ROW, TOP + 0.5 * ROW, TOP + 0.5 * ROW]
    widths = {attributes["stroke"]: float(attributes["stroke-width"]) for _, attributes in links(drawn())}
    assert widths.pop(LIGHT.accent) >= 2 * max(widths.values())
    bold = [key for key, elements in cells(drawn()).items() if any(e.get("font-weight") == "700" for e in elements)]
    assert bold == [("a", "−0.750"), ("cat", "−0.250"), ("</s>", "−0.125")]


def test_what_dies_is_pale_and_what_leads_to_an_end_is_not():
    found = cells(drawn())
    fills = {key: elements[2].get("fill") for key, elements in found.items()}
    pale = {key[0] for key, fill in fills.items() if fill == LIGHT.quiet}
    assert pale == {"the", "fox", "dog"}
    assert fills["an", "−0.900"] == fills["cat", "−0.375"] == LIGHT.text
    assert sum(float(attributes["stroke-opacity"]) < 1 for _, attributes in links(drawn())) == 3


def test_a_bar_closes_those_that_ended():
    bars = {key for key, elements in cells(drawn()).items() if sum(e.tag == f"{SVG}rect" for e in elements) == 2}
    assert bars == {("cat", "−0.375"), ("</s>", "−0.125")}


def test_the_numbers_are_told_on_hover():
    titles = [elements[0].text for elements in cells(drawn()).values()]
    assert titles[0] == "the: mean log-probability −0.500, sum −1.000"
    assert titles[4] == "cat after an: mean log-probability −0.375, sum −0.750, ends here"


def test_only_what_is_written_is_drawn_and_the_height_stays():
    whole, first = drawn(), drawn(written=1)
    assert [len(cells(drawn(written=count))) for count in (0, 1, 2, 3, 9)] == [0, 3, 6, 8, 8]
    assert [len(links(drawn(written=count))) for count in (0, 1, 2, 3)] == [0, 3, 6, 8]
    assert first.get("height") == whole.get("height")
    assert "1 of 3 steps" in first.find(f"{SVG}desc").text
    # Nobody knows yet which of the last drawn are dropped.
    assert all(elements[2].get("fill") != LIGHT.quiet for elements in cells(first).values())


def test_the_width_grows_with_the_steps():
    step = (hypothesis("word", 0, -0.5),)
    for count in (20, 40):
        steps = ((hypothesis("word", None, -0.5),), *[step] * (count - 1))
        search = BeamSearch(steps, (BeamCandidate("word", -0.5, (0,) * count),))
        assert float(drawn(search).get("width")) == pytest.approx(column_left(count) - GAP + 30, abs=0.01)


def test_it_says_what_it_is_and_keeps_its_provenance():
    root = drawn(title="Beam of 3", text="A cat.")
    assert root.find(f"{SVG}title").text == "Beam of 3"
    assert root.find(f"{SVG}desc").text == (
        "Beam search, 3 of 3 steps, up to 3 hypotheses in each. Best: a cat </s>. Beam of 3"
    )
    assert root.find(f"{SVG}metadata").text == '{"text": "A cat."}'


@pytest.mark.parametrize("beams", [2, 10])
@pytest.mark.parametrize("name", ["light", "dark"])
def test_all_stands_inside_the_picture_and_can_be_read(beams, name):
    steps = tuple(
        tuple(hypothesis("word", 0 if step else None, -0.1 * (row + 1)) for row in range(beams)) for step in range(3)
    )
    look = theme(name)
    root = drawn(BeamSearch(steps, (BeamCandidate("word", -0.1, (0, 0, 0)),)), appearance=look, title="B" * 40)
    width, height = float(root.get("width")), float(root.get("height"))
    for text in root.iter(f"{SVG}text"):
        assert 0 < float(text.get("y")) < height
        size = float(text.get("font-size"))
        assert 0 < float(text.get("x")) + 0.6 * size * len(text.text) < width
        assert size >= (14 if text.text == "word" else 13)
        assert text.get("fill") in (look.text, look.quiet, look.accent)
    rows = [float(elements[1].get("y")) for elements in cells(root).values()]
    assert len(set(rows)) == beams


@pytest.mark.parametrize(
    ("token", "cleaned"), [*zip(HOSTILE, CLEANED, strict=True), ("🦊👩‍👩‍👧", "🦊👩‍👩‍👧"), ("漢字", "漢字")]
)
def test_hostile_tokens_stay_text(token, cleaned):
    search = BeamSearch(
        ((hypothesis(token, None, -0.5),), (hypothesis(token, 0, -0.5, ended=True),)),
        (BeamCandidate(token, -0.5, (0, 0)),),
    )
    root = drawn(search, title=token, text=token)
    assert tags(root) == {"svg", "title", "desc", "metadata", "rect", "text", "g", "path", "circle"}
    groups = [group for group in root.findall(f"{SVG}g") if group.find(f"{SVG}title") is not None]
    assert groups[1].find(f"{SVG}title").text.startswith(f"{cleaned} after {cleaned}: ")
    assert root.find(f"{SVG}title").text == cleaned


def test_a_very_long_token_is_cut_and_whole_on_hover():
    long = "antidisestablishmentarianism"
    search = BeamSearch(((hypothesis(long, None, -0.5),),), (BeamCandidate(long, -0.5, (0,)),))
    ((title, box, token, _),) = cells(drawn(search)).values()
    assert token.text == f"{long[: LONGEST_TOKEN - 1]}…"
    assert title.text.startswith(f"{long}: ")
    assert float(box.get("width")) == pytest.approx(LONGEST_TOKEN * SIZE * LETTER + 14, abs=0.01)
