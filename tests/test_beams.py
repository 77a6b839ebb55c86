"""A beam search, step by step, against plain forwards and against a search written here that tries every continuation."""

import math
from itertools import pairwise

import pytest
import torch
import transformers as t

from model import load_model, record, record_generation, wrap
from model.analysis.alignment import alignment_view
from model.architectures import RecurrentSearch, RecurrentSearchConfig, Transformer, TransformerConfig
from model.beams import BeamSearch, beam_search
from model.errors import InputError
from tests.tiny_models import VOCABULARY, tiny

TEXT = "Two dogs are playing in the snow."
TINY_TEXT = "a b c d"
NEW = 7
# Many ends, since a model that has learned nothing seldom writes one of them.
ENDS = [2, *range(5, VOCABULARY, 4)]


@pytest.fixture(scope="module")
def translator():
    return load_model("transformer-tiny", device="cpu")


def tiny_translator(name: str, tokenizer, scale: float = 2.0, **settings):
    """Return a LoadedModel of a tiny encoder-decoder, whose settings for generation may be others; `scale` sharpens it."""
    ids = dict(vocab_size=VOCABULARY, pad_token_id=0, eos_token_id=2, decoder_start_token_id=1)
    torch.manual_seed(0)
    if name == "transformer":
        model = Transformer(TransformerConfig(**ids, d_model=32, d_ff=48, heads=4, encoder_layers=2, decoder_layers=2))
    elif name == "recurrent":
        sizes = dict(d_embedding=16, d_hidden=24, d_alignment=20, d_output=12)
        model = RecurrentSearch(RecurrentSearchConfig(**ids, **sizes))
    else:
        sizes = dict(
            d_model=32, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4, decoder_attention_heads=4
        )
        options = dict(encoder_ffn_dim=48, decoder_ffn_dim=48, max_position_embeddings=64, forced_eos_token_id=None)
        model = t.MarianMTModel(t.MarianConfig(**ids, **sizes, **options))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(scale)
    for field, value in {"eos_token_id": ENDS, **settings}.items():
        setattr(model.generation_config, field, value)
    return wrap(model.eval(), tokenizer)


def new_ids(search: BeamSearch, step: int, place: int) -> tuple[int, ...]:
    """Return the tokens of a hypothesis, by going back from parent to parent."""
    found = []
    for hypotheses in reversed(search.steps[: step + 1]):
        found.insert(0, hypotheses[place].token_id)
        place = hypotheses[place].parent
    assert place is None
    return tuple(found)


def every_hypothesis(search: BeamSearch) -> list[tuple]:
    """Return (hypothesis, its tokens) over all steps."""
    return [
        (hypothesis, new_ids(search, step, place))
        for step, hypotheses in enumerate(search.steps)
        for place, hypothesis in enumerate(hypotheses)
    ]


def log_probabilities(loaded, text: str, ids: tuple[int, ...]) -> torch.Tensor:
    """Return log p [position, vocab] of what follows each token of `ids`, from one plain forward."""
    inputs = torch.tensor([loaded.tokenizer(text)["input_ids"]])
    decoder = torch.tensor([[loaded.model.config.decoder_start_token_id, *ids]])
    with torch.no_grad():
        logits = loaded.model(input_ids=inputs, decoder_input_ids=decoder).logits[0]
    return logits.double().log_softmax(dim=-1)


def plain_total(loaded, text: str, ids: tuple[int, ...]) -> float:
    return float(log_probabilities(loaded, text, ids[:-1])[range(len(ids)), ids].sum())


def test_the_shipped_translator_knows_german_and_is_captured_lazily_in_three_stacks(translator):
    assert translator.warnings == ()
    written = record_generation(translator, TEXT, max_new_tokens=30)
    assert {"hunde", "schnee"} <= set(written.text.replace(".", "").split())
    assert written.stopped == "end of text"
    assert written.trace.stacks == ("encoder", "decoder", "cross")
    assert {layer.source for layer in written.trace.layers} == {"lazy"}
    assert translator.nbytes < 16_000_000


def test_candidates_come_best_first_and_the_first_is_the_one_that_is_written(translator):
    found = beam_search(translator, TEXT, beams=3).candidates
    scores = [candidate.score for candidate in found]
    assert scores == sorted(scores, reverse=True)
    assert len({candidate.text for candidate in found}) == 3
    assert all(score < 0 for score in scores)
    written = record_generation(translator, TEXT, method="beam", beams=3, max_new_tokens=64)
    assert found[0].text.strip() == written.text.strip()


def test_the_score_is_the_mean_log_probability(translator):
    (best, *_) = beam_search(translator, TEXT, beams=2).candidates
    written = record_generation(translator, TEXT, method="beam", beams=2, max_new_tokens=64)
    logs = [math.log(step.probability) for step in written.steps]
    assert best.score == pytest.approx(sum(logs) / len(logs), abs=2e-3)


@pytest.mark.parametrize("name", ["transformer", "recurrent", "marian"])
@pytest.mark.parametrize("beams", [2, 5])
def test_the_path_of_the_best_is_what_is_written(name, beams, tiny_tokenizer):
    loaded = tiny_translator(name, tiny_tokenizer)
    search = beam_search(loaded, TINY_TEXT, beams=beams, max_new_tokens=NEW)
    path = search.candidates[0].path
    written = record_generation(loaded, TINY_TEXT, method="beam", beams=beams, max_new_tokens=NEW)
    assert new_ids(search, len(path) - 1, path[-1]) == tuple(step.token.id for step in written.steps)
    tokens = [search.steps[step][place].text for step, place in enumerate(path)]
    assert tokens == [step.token.text for step in written.steps]
    assert search.candidates[0].text.strip() == written.text.strip()


@pytest.mark.parametrize("name", ["transformer", "recurrent", "marian"])
def test_scores_are_sums_and_means_of_a_plain_forward(name, tiny_tokenizer):
    loaded = tiny_translator(name, tiny_tokenizer)
    search = beam_search(loaded, TINY_TEXT, beams=3, max_new_tokens=NEW)
    found = every_hypothesis(search)
    assert len(found) >= 3 * NEW
    for hypothesis, ids in found:
        assert hypothesis.total == pytest.approx(plain_total(loaded, TINY_TEXT, ids), abs=1e-4)
        assert hypothesis.score == pytest.approx(hypothesis.total / len(ids), abs=1e-9)


def test_scores_of_the_shipped_translator_are_those_of_a_plain_forward(translator):
    search = beam_search(translator, TEXT, beams=3)
    for candidate in search.candidates:
        last = len(candidate.path) - 1
        ids = new_ids(search, last, candidate.path[-1])
        assert search.steps[last][candidate.path[-1]].ended
        assert ids[-1] == translator.tokenizer.eos_token_id
        assert candidate.score == pytest.approx(plain_total(translator, TEXT, ids) / len(ids), abs=1e-4)
        assert candidate.text == translator.tokenizer.decode(ids, skip_special_tokens=True)


@pytest.mark.parametrize("name", ["transformer", "recurrent", "marian"])
@pytest.mark.parametrize("beams", [2, 4])
def test_each_step_keeps_the_best_of_every_continuation(name, beams, tiny_tokenizer):
    """All continuations of a step, ranked here: the first that do not end go on, those that end among the first leave."""
    loaded = tiny_translator(name, tiny_tokenizer)
    search = beam_search(loaded, TINY_TEXT, beams=beams, max_new_tokens=NEW)
    before: dict[tuple, float] = {(): 0.0}
    for step, hypotheses in enumerate(search.steps):
        all_ = {
            (*ids, token): total + value
            for ids, total in before.items()
            for token, value in enumerate(log_probabilities(loaded, TINY_TEXT, ids)[-1].tolist())
        }
        ranked = sorted(all_, key=all_.__getitem__, reverse=True)
        over = {ids for ids in ranked if ids[-1] in ENDS or len(ids) == NEW}
        ended = [ids for ids in ranked[:beams] if ids in over]
        live = [ids for ids in ranked if ids not in over][:beams]
        shown = {new_ids(search, step, place): found.ended for place, found in enumerate(hypotheses)}
        assert shown == dict.fromkeys(live, False) | dict.fromkeys(ended, True)
        before = {ids: all_[ids] for ids in live}


@pytest.mark.parametrize("name", ["transformer", "recurrent", "marian"])
def test_steps_are_ranked_and_the_ended_have_no_children(name, tiny_tokenizer):
    search = beam_search(tiny_translator(name, tiny_tokenizer), TINY_TEXT, beams=4, max_new_tokens=NEW)
    for hypotheses in search.steps:
        totals = [hypothesis.total for hypothesis in hypotheses]
        assert totals == sorted(totals, reverse=True)
    assert {hypothesis.parent for hypothesis in search.steps[0]} == {None}
    for before, after in pairwise(search.steps):
        assert all(not before[hypothesis.parent].ended for hypothesis in after)
    ids = [ids for _, ids in every_hypothesis(search)]
    assert len(set(ids)) == len(ids)
    # Some end before the limit, so that all of this is seen.
    assert any(hypothesis.ended for step in search.steps[: NEW - 1] for hypothesis in step)


def test_all_that_are_left_end_at_the_limit(tiny_tokenizer):
    loaded = tiny_translator("marian", tiny_tokenizer, eos_token_id=2, bad_words_ids=[[2]])
    search = beam_search(loaded, TINY_TEXT, beams=3, max_new_tokens=4)
    assert len(search.steps) == 4
    assert [sum(hypothesis.ended for hypothesis in step) for step in search.steps] == [0, 0, 0, 3]
    assert {candidate.path[-1] for candidate in search.candidates} == {0, 1, 2}


def test_a_forced_first_token_is_one_hypothesis(tiny_tokenizer):
    loaded = tiny_translator("marian", tiny_tokenizer, forced_bos_token_id=7)
    search = beam_search(loaded, TINY_TEXT, beams=3, max_new_tokens=4)
    assert [(found.token_id, found.total) for found in search.steps[0]] == [(7, 0.0)]
    assert [found.parent for found in search.steps[1] if not found.ended] == [0, 0, 0]
    assert [candidate.path for candidate in beam_search(loaded, TINY_TEXT, beams=3, max_new_tokens=1).candidates] == [
        (0,)
    ]


def test_what_is_forbidden_is_no_hypothesis(tiny_tokenizer):
    """The forced first token ends the text, so nothing else is left."""
    loaded = tiny_translator("marian", tiny_tokenizer, forced_bos_token_id=5)
    search = beam_search(loaded, TINY_TEXT, beams=3, max_new_tokens=4)
    assert [[(found.token_id, found.ended) for found in step] for step in search.steps] == [[(5, True)]]
    assert [candidate.path for candidate in search.candidates] == [(0,)]


def test_scores_are_those_the_search_ranks_by_where_it_normalizes_what_is_left(tiny_tokenizer):
    loaded = tiny_translator("marian", tiny_tokenizer, bad_words_ids=[[3], [4], [5]], renormalize_logits=True)
    search = beam_search(loaded, TINY_TEXT, beams=3, max_new_tokens=4)
    for candidate in search.candidates:
        hypothesis = search.steps[len(candidate.path) - 1][candidate.path[-1]]
        assert hypothesis.score == pytest.approx(candidate.score, abs=1e-5)


def test_ties_do_not_confuse_it(tiny_tokenizer):
    search = beam_search(tiny_translator("marian", tiny_tokenizer, scale=0.0), TINY_TEXT, beams=4, max_new_tokens=4)
    uniform = -math.log(VOCABULARY)
    for hypothesis, _ in every_hypothesis(search):
        assert hypothesis.score == pytest.approx(uniform, abs=1e-5)


def test_a_decoder_a_single_beam_and_no_new_token_are_refused(translator):
    with pytest.raises(InputError, match="two beams"):
        beam_search(translator, TEXT, beams=1)
    with pytest.raises(InputError, match="a new token"):
        beam_search(translator, TEXT, beams=2, max_new_tokens=0)
    with pytest.raises(InputError, match="encoder-decoder"):
        beam_search(wrap(tiny("gpt2")), TEXT, beams=2)


def test_an_alignment_follows_the_words(translator):
    written = record_generation(translator, TEXT, max_new_tokens=30)
    view = alignment_view(written.trace, layer=3)
    rows = {token.strip("▁"): row for row, token in enumerate(view.query_tokens)}
    keys = [token.strip("▁") for token in view.key_tokens]
    for german, english in (("hunde", "dogs"), ("schnee", "snow")):
        assert keys[int(view.weights[rows[german]].argmax())] == english
    assert record(translator, TEXT, target=written.text).stacks == ("encoder", "decoder", "cross")
