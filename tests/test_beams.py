"""What a beam search ends with."""

import math

import pytest

from model import load_model, record, record_generation, wrap
from model.analysis.alignment import alignment_view
from model.beams import beam_candidates
from model.errors import InputError
from tests.tiny_models import tiny

TEXT = "Two dogs are playing in the snow."


@pytest.fixture(scope="module")
def translator():
    return load_model("transformer-tiny", device="cpu")


def test_the_shipped_translator_knows_german_and_is_captured_lazily_in_three_stacks(translator):
    assert translator.warnings == ()
    written = record_generation(translator, TEXT, max_new_tokens=30)
    assert {"hunde", "schnee"} <= set(written.text.replace(".", "").split())
    assert written.stopped == "end of text"
    assert written.trace.stacks == ("encoder", "decoder", "cross")
    assert {layer.source for layer in written.trace.layers} == {"lazy"}
    assert translator.nbytes < 16_000_000


def test_candidates_come_best_first_and_the_first_is_the_one_that_is_written(translator):
    found = beam_candidates(translator, TEXT, beams=3)
    scores = [candidate.score for candidate in found]
    assert scores == sorted(scores, reverse=True)
    assert len({candidate.text for candidate in found}) == 3
    assert all(score < 0 for score in scores)
    written = record_generation(translator, TEXT, method="beam", beams=3, max_new_tokens=64)
    assert found[0].text.strip() == written.text.strip()


def test_the_score_is_the_mean_log_probability(translator):
    (best, *_) = beam_candidates(translator, TEXT, beams=2)
    written = record_generation(translator, TEXT, method="beam", beams=2, max_new_tokens=64)
    logs = [math.log(step.probability) for step in written.steps]
    assert best.score == pytest.approx(sum(logs) / len(logs), abs=2e-3)


def test_a_decoder_and_a_single_beam_are_refused(translator):
    with pytest.raises(InputError, match="two beams"):
        beam_candidates(translator, TEXT, beams=1)
    with pytest.raises(InputError, match="encoder-decoder"):
        beam_candidates(wrap(tiny("gpt2")), TEXT, beams=2)


def test_an_alignment_follows_the_words(translator):
    written = record_generation(translator, TEXT, max_new_tokens=30)
    view = alignment_view(written.trace, layer=3)
    rows = {token.strip("▁"): row for row, token in enumerate(view.query_tokens)}
    keys = [token.strip("▁") for token in view.key_tokens]
    for german, english in (("hunde", "dogs"), ("schnee", "snow")):
        assert keys[int(view.weights[rows[german]].argmax())] == english
    assert record(translator, TEXT, target=written.text).stacks == ("encoder", "decoder", "cross")
