"""Every score has a definition that can be shown, and no name is without one."""

import subprocess
import sys
from pathlib import Path

import pytest

from model.analysis.score_catalog import SCORES, definition_of
from model.analysis.score_names import OFFSETS, RANDOM_SCORES, offset_name, score_names
from model.errors import HeadscopeError

SHARES = set(SCORES) - {"entropy", "distance"}


def test_every_score_is_defined_and_nothing_else():
    assert set(SCORES) == {*score_names(same_sequence=True), *RANDOM_SCORES, "positional"}
    assert set(score_names(same_sequence=False)) < set(score_names(same_sequence=True))


@pytest.mark.parametrize("name", [*SCORES, "nsubj: dependant to head", "det:predet: head to dependant"])
def test_a_definition_says_what_a_tooltip_needs(name):
    definition = definition_of(name)
    assert definition.name == name
    for text in (definition.description, definition.formula, definition.rows, definition.paper, definition.baseline):
        assert len(text) > 5
    assert any(year in definition.paper for year in ("2019", "2022", "2023"))
    assert definition.description.endswith(".")
    assert definition.share == (name in SHARES or ":" in name)
    assert definition.range_text == ("0 to 1" if definition.share else "0 to no fixed limit")


def test_the_formula_of_an_offset_has_its_sign():
    assert [offset_name(offset) for offset in (-8, 0, 2)] == ["offset -8", "offset 0", "offset +2"]
    assert definition_of("offset -2").formula.endswith("= q - 2")
    assert definition_of("offset +3").formula.endswith("= q + 3")
    assert definition_of("offset -2").description.startswith(
        "How often the token that a token attends to most stands 2 before"
    )
    assert len({definition_of(offset_name(offset)).description for offset in OFFSETS}) == len(OFFSETS)


def test_the_two_directions_of_a_relation_are_two_definitions():
    one, other = (definition_of(f"nsubj: {way}") for way in ("dependant to head", "head to dependant"))
    assert one.formula != other.formula
    assert one.description != other.description


@pytest.mark.parametrize("name", ["", "offset +9", "nsubj", "nsubj: sideways"])
def test_an_unknown_score_is_refused(name):
    with pytest.raises(HeadscopeError, match="no score"):
        definition_of(name)


def test_naming_scores_needs_no_torch():
    source = "import sys; from model.analysis.score_catalog import SCORES; print('torch' in sys.modules)"
    command = [sys.executable, "-c", source]
    run = subprocess.run(command, cwd=Path(__file__).parent.parent, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
