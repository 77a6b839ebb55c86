"""The models that come trained: they load, their cards say how to measure them again, and they do what the cards say."""

from pathlib import Path

import pytest

import model
from model import load_model, record_generation
from model.catalog import BUNDLED, TRANSLATORS
from model.evaluation.heads import pattern_scores
from model.evaluation.language import language_figures

WEIGHTS = Path(model.__file__).parent / "weights"
TRAINED = [name for name, one in BUNDLED.items() if not one.package]
# From the end of a book that the decoder never saw.
UNSEEN = (
    "She had been forced into prudence in her youth, she learned romance as she grew older: the natural sequel of an "
    "unnatural beginning."
)


def test_together_they_are_small_and_each_has_a_card():
    assert sorted(path.name for path in WEIGHTS.iterdir()) == sorted(TRAINED)
    assert sum(path.stat().st_size for path in WEIGHTS.rglob("*")) < 40e6
    for name in TRAINED:
        card = (WEIGHTS / name / "README.md").read_text(encoding="utf-8")
        for words in ("**Data**", "**Licence**", "Seed 0", "python -m model train", "$ python -m model evaluate"):
            assert words in card, (name, words)
        assert f"--model {name}" in card


@pytest.mark.parametrize("name", TRAINED)
def test_they_load_offline_from_half_precision_safetensors(name):
    assert [path.suffix for path in (WEIGHTS / name).glob("*.safetensors")] == [".safetensors"]
    loaded = load_model(name, device="cpu")
    assert not loaded.warnings
    assert loaded.name == name


@pytest.mark.parametrize("name", TRANSLATORS)
def test_the_translators_know_an_everyday_scene(name):
    written = record_generation(load_model(name, device="cpu"), "A dog is running in the snow.", max_new_tokens=20)
    assert "ein hund" in written.text
    assert "schnee" in written.text


def test_the_decoder_has_a_previous_token_head_and_an_induction_head():
    loaded = load_model("small-decoder", device="cpu")
    scores = pattern_scores(loaded)
    assert scores.previous_token.max() > 0.5
    assert scores.induction.max() > 0.5
    figures = language_figures(loaded.model, loaded.tokenizer, UNSEEN, context=256)
    assert figures.bits_per_character < 2.2
