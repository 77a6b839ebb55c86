"""The logit lens of whole texts: what is true where, windows, limits, batches, and a model that is left as it was."""

import threading
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch

from model import HeadscopeError, lens_head, load_model, record, wrap
from model import logit_lens as lens_module
from model.interventions import ScaleHeads, intervention_text
from model.lens_result import lens_frame
from model.logit_lens import logit_lens
from tests.effect_models import of_task
from tests.tiny_models import tiny, tiny_inputs

TEXT = "the cats cross the street"
READINGS = ("top_ids", "top_probabilities", "entropy", "divergence", "rank", "truth_probability", "agrees")


def settings(model):
    hooks = sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules())
    return hooks, model.config._attn_implementation, [module.training for module in model.modules()]


def assert_same(lens, other, layers=slice(None), positions=slice(None)):
    for name in READINGS:
        found, expected = getattr(lens, name), getattr(other, name)[layers, positions]
        if found.dtype.kind == "f":
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
        else:
            assert np.array_equal(found, expected)


def expected_readings(logits, truth):
    """Return (entropy, rank, probability) of one prediction, computed in float64 another way."""
    p = logits.double().softmax(dim=-1)
    order = p.argsort(descending=True).tolist()
    entropy = float(-(p * p.log2()).nan_to_num().sum())
    return entropy, order.index(truth) + 1, float(p[truth])


def test_a_causal_model_is_to_predict_the_next_token():
    loaded = of_task("causal")
    lens = logit_lens(loaded, TEXT)
    trace = record(loaded, TEXT)
    model, tokens = loaded.model, trace.tokens["decoder"]
    assert lens.stack == "decoder"
    assert lens.tokens == tokens
    assert lens.truth == (*tokens[1:], None)
    assert lens.layers == (0, 1, 2, 3)
    with torch.no_grad():
        for layer, state in enumerate(trace.hidden_states()):
            logits = model.lm_head(model.transformer.ln_f(torch.tensor(state)))
            for place, token in enumerate(tokens[1:]):
                found = lens.entropy[layer, place], lens.rank[layer, place], lens.truth_probability[layer, place]
                assert found == pytest.approx(expected_readings(logits[place], token.id), rel=1e-4, abs=1e-5)
    assert (lens.rank[:, -1] == 0).all()
    assert np.isnan(lens.truth_probability[:, -1]).all()


def test_the_last_layer_is_the_model_itself():
    for task in ("causal", "masked", "translation"):
        lens = logit_lens(of_task(task), TEXT, target="it rains" if task == "translation" else None)
        assert lens.difference <= 5e-6
        assert lens.divergence[-1] == pytest.approx(0, abs=1e-5)
        assert lens.agrees[-1].all()
        assert lens.agreement[-1] == 1
        assert lens.divergence[0].max() > 1e-3


def test_a_masked_model_is_to_find_the_token_itself_and_nothing_is_true_of_a_mask():
    lens = logit_lens(of_task("masked"), "the cats [MASK] the street")
    assert lens.stack == "encoder"
    place = next(index for index, token in enumerate(lens.tokens) if token.piece == "[MASK]")
    assert [token is None for token in lens.truth] == [index == place for index in range(len(lens.tokens))]
    assert all(true is None or true == token for true, token in zip(lens.truth, lens.tokens, strict=True))
    assert ((lens.rank == 0) == (np.arange(len(lens.tokens)) == place)).all()


def test_a_decoder_is_to_predict_its_own_next_token():
    lens = logit_lens(of_task("translation"), TEXT, target="the cats cross it")
    trace = record(of_task("translation"), TEXT, target="the cats cross it")
    assert lens.stack == "decoder"
    assert lens.tokens == trace.tokens["decoder"]
    assert lens.truth == (*lens.tokens[1:], None)
    assert len(lens.layers) == len(trace.hidden_states("decoder"))


def test_a_window_of_positions_is_a_part_of_the_whole():
    loaded = of_task("causal")
    whole, part = logit_lens(loaded, TEXT), logit_lens(loaded, TEXT, positions=(3, 1, 3))
    assert part.positions == (1, 3)
    assert part.tokens == (whole.tokens[1], whole.tokens[3])
    assert part.truth == (whole.truth[1], whole.truth[3])
    assert_same(part, whole, positions=[1, 3])
    for wrong in ((), (-1,), (len(whole.tokens),)):
        with pytest.raises(HeadscopeError, match=f"positions from 0 to {len(whole.tokens) - 1}"):
            logit_lens(loaded, TEXT, positions=wrong)


@pytest.mark.parametrize("rows", [1, 5, 11, 25])
def test_batches_of_layers_and_positions_change_nothing(monkeypatch, rows):
    loaded, inputs = wrap(tiny("gpt2")), tiny_inputs("gpt2")
    whole, sizes, shares = logit_lens(loaded, inputs), [], []
    monkeypatch.setattr(lens_module, "_LOGITS_AT_ONCE", 99 * rows)
    run = lens_head.FinalPart.logits
    monkeypatch.setattr(
        lens_head.FinalPart, "logits", lambda part, states: (sizes.append(len(states)), run(part, states))[1]
    )
    assert_same(logit_lens(loaded, inputs, progress=shares.append), whole)
    # The first two states only try out whether the final part runs.
    assert sizes[0] == 2
    assert max(sizes[1:]) <= rows
    assert sum(sizes[1:]) == 4 * 11
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1)


def test_a_text_that_is_too_long_for_its_vocabulary_is_refused_before_anything_runs(monkeypatch):
    monkeypatch.setattr(lens_module, "MOST_LOGITS", 99 * 10)
    monkeypatch.setattr(lens_module, "record_encoding", lambda *_, **__: pytest.fail("the model was run"))
    with pytest.raises(HeadscopeError, match="has 11 tokens, and with a vocabulary of 99 the logit lens takes 10"):
        logit_lens(wrap(tiny("gpt2")), tiny_inputs("gpt2"))


def test_more_predictions_than_the_vocabulary_has_are_all_of_it():
    lens = logit_lens(wrap(tiny("gpt2")), tiny_inputs("gpt2"), top=1000)
    assert lens.top_ids.shape == (4, 11, 99)
    np.testing.assert_allclose(lens.top_probabilities.sum(axis=-1), 1, atol=1e-5)
    with pytest.raises(HeadscopeError, match="at least one"):
        logit_lens(wrap(tiny("gpt2")), tiny_inputs("gpt2"), top=0)


def test_interventions_are_seen():
    loaded, change = of_task("causal"), [ScaleHeads(None, 0, (1,))]
    plain, changed = logit_lens(loaded, TEXT), logit_lens(loaded, TEXT, interventions=change)
    assert np.array_equal(plain.entropy[0], changed.entropy[0])
    assert abs(plain.entropy[1:] - changed.entropy[1:]).max() > 1e-3
    assert changed.difference <= 5e-6
    assert changed.provenance.interventions == intervention_text(change)


def test_the_frame_says_the_same():
    lens = logit_lens(of_task("causal"), TEXT, top=3)
    frame = lens_frame(lens)
    assert len(frame) == lens.entropy.size
    for row in frame.sample(9, random_state=0).to_dict("records"):
        at = row["layer"], row["position"]
        assert row["token"] == lens.tokens[at[1]].text
        assert [row[f"top_{place}"] for place in (1, 2, 3)] == [lens.names[number] for number in lens.top_ids[at]]
        assert (row["entropy"], row["divergence"]) == (lens.entropy[at], lens.divergence[at])
        assert row["probability_3"] == lens.top_probabilities[at][2]
    last = frame[frame["position"] == lens.positions[-1]]
    assert last["rank"].isna().all()
    assert last["truth"].isna().all()
    assert (frame["rank"].dropna() >= 1).all()


def test_the_frame_holds_any_token():
    lens = logit_lens(of_task("causal"), TEXT, top=1)
    hostile = replace(
        lens,
        names=dict.fromkeys(lens.names, "\ud800"),
        tokens=tuple(replace(token, text="\ud800<b>") for token in lens.tokens),
        truth=(None,) * len(lens.tokens),
    )
    frame = lens_frame(hostile)
    assert set(frame["top_1"]) == {"\ud800"}
    assert set(frame["token"]) == {"\ud800<b>"}
    assert frame["truth"].isna().all()


def test_entries_that_the_tokenizer_does_not_know_are_named_by_number():
    loaded = of_task("causal")
    lens = logit_lens(loaded, TEXT, top=99)
    limit = len(loaded.tokenizer)
    assert limit < 99
    assert all(lens.names[number] == f"#{number}" for number in range(limit, 99))
    assert all(lens.names[number] != f"#{number}" for number in range(limit))


def test_models_without_a_head_or_without_states_are_refused():
    with pytest.raises(HeadscopeError, match=r"minilm has no head .* nearest vocabulary entries"):
        logit_lens(load_model("minilm", device="cpu"), TEXT)
    with pytest.raises(HeadscopeError, match="from block to block"):
        logit_lens(load_model("recurrent-search", device="cpu"), "A man.")


def test_a_final_part_that_knows_the_position_is_refused():
    model = deepcopy(tiny("gpt2"))
    model.transformer.ln_f.register_forward_hook(
        lambda _module, _args, output: output + torch.arange(output.shape[1])[None, :, None]
    )
    with pytest.raises(HeadscopeError, match="no exact logit lens"):
        logit_lens(wrap(model), tiny_inputs("gpt2"))


@pytest.mark.parametrize("kind", [ValueError, RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("share", [0.05, 0.5])
def test_what_progress_raises_cancels_and_leaves_the_model_as_it_was(kind, share, monkeypatch):
    monkeypatch.setattr(lens_module, "_LOGITS_AT_ONCE", 99 * 11)
    model = deepcopy(tiny("gpt2")).train()
    before = settings(model)

    def stop(done):
        if done >= share:
            raise kind("stop")

    with pytest.raises(kind, match="stop"):
        logit_lens(wrap(model), tiny_inputs("gpt2"), progress=stop)
    assert settings(model) == before
    assert lens_head._calls.get() is None
    assert logit_lens(wrap(model), tiny_inputs("gpt2")).difference <= 5e-6
    assert settings(model) == before


def test_a_plain_run_in_another_thread_is_not_changed():
    model, inputs, seen = tiny("gpt2"), tiny_inputs("gpt2"), []
    with torch.no_grad():
        expected = model(**inputs).logits
    lens = logit_lens(wrap(model), inputs)

    def elsewhere():
        with torch.no_grad():
            seen.append(model(**inputs).logits)

    def in_between(_module, _args):
        if len(seen) < 3 and lens_head._calls.get() is not None:
            thread = threading.Thread(target=elsewhere)
            thread.start()
            thread.join()

    handle = model.transformer.h[1].register_forward_pre_hook(in_between)
    try:
        assert_same(logit_lens(wrap(model), inputs), lens)
    finally:
        handle.remove()
    assert len(seen) == 3
    assert all(torch.equal(logits, expected) for logits in seen)


def test_half_precision_is_the_same_run():
    model = deepcopy(tiny("llama")).to(torch.bfloat16)
    lens = logit_lens(wrap(model), tiny_inputs("llama"))
    assert lens.difference <= 0.03
    assert lens.agrees[-1].all()
    assert lens.entropy.dtype == np.float32


def test_a_bundled_model_reads_five_hundred_tokens():
    loaded = load_model("small-decoder", device="cpu")
    count = min(500, loaded.position_limit or 500)
    ids = torch.randint(10, 4000, (1, count), generator=torch.Generator().manual_seed(0))
    lens = logit_lens(loaded, {"input_ids": ids})
    assert lens.entropy.shape[1] == count
    assert lens.difference <= 5e-6
