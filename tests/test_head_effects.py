"""Effects of heads: each measure by hand, the sweep head by head, and nothing changes where nothing is changed."""

import math
from copy import deepcopy

import numpy as np
import pytest
import torch

from model import wrap
from model.effects.batches import IGNORED, model_task, text_batches
from model.effects.head_effects import head_effects, intervention_effect, measured, model_heads
from model.effects.measures import measure_of, measures_of
from model.errors import HeadscopeError
from model.evaluation.bleu import corpus_bleu
from model.evaluation.translation import translations
from model.intervening import intervening
from model.interventions import ScaleHeads, UniformHeads, switch_off
from tests.effect_models import TEXTS, of_task
from tests.tiny_models import tiny
from tests.tiny_tokenizers import trained

REFERENCES = ("it rains", "the street was too tired", "cats")
MEASURED = [("causal", "divergence"), ("causal", "cross entropy"), ("masked", "divergence"), ("masked", "cross entropy"),
            ("encoder", "embedding"), ("translation", "divergence"), ("translation", "cross entropy")]  # fmt: skip


def references(task):
    return REFERENCES if task == "translation" else None


def log_predictions(loaded, text):
    """Return the ids of a text and ln p [position, vocab] of a causal model, run alone and plainly."""
    ids = loaded.tokenizer(text, return_tensors="pt")["input_ids"]
    with torch.no_grad():
        return ids[0], loaded.model(input_ids=ids).logits[0].log_softmax(dim=-1).double()


@pytest.mark.parametrize("task", ["causal", "masked", "encoder", "translation"])
def test_the_task_is_known(task):
    assert model_task(of_task(task)) == task


@pytest.mark.parametrize(("task", "name"), MEASURED)
def test_a_factor_of_one_changes_nothing_and_another_does(task, name):
    loaded = of_task(task)
    stack = "cross" if task == "translation" else None
    for factor in (1, 0):
        change = [ScaleHeads(stack, 1, None, factor)]
        plain, changed = intervention_effect(loaded, TEXTS, change, name, references=references(task))
        if name != "cross entropy":
            assert abs(plain) < 1e-6
        assert (changed == pytest.approx(plain, abs=1e-6)) == (factor == 1)


def test_divergence_of_a_causal_model_by_hand():
    loaded = of_task("causal")
    changed = wrap(deepcopy(loaded.model), loaded.tokenizer)
    with torch.no_grad():
        changed.model.transformer.h[1].attn.c_proj.weight[8:16] = 0  # head 1 of 4, d_head 8
    total, count = 0.0, 0
    for text in TEXTS:
        _, before = log_predictions(loaded, text)
        _, after = log_predictions(changed, text)
        total += float((before.exp() * (before - after)).sum()) / math.log(2)
        count += len(before)
    found = head_effects(loaded, TEXTS)
    assert (found.measure, found.unit, found.texts, found.layers) == ("divergence", "bits", 3, {"decoder": (0, 1, 2)})
    assert found.values["decoder"].shape == (3, 4)
    assert found.values["decoder"][1, 1] == pytest.approx(total / count, rel=1e-4)
    assert found.plain == pytest.approx(0, abs=1e-6)
    assert (found.effects["decoder"] > 0).all()


def test_cross_entropy_of_a_causal_model_by_hand():
    loaded, losses = of_task("causal"), []
    for text in TEXTS:
        ids, log_p = log_predictions(loaded, text)
        losses += [-float(log_p[place, ids[place + 1]]) / math.log(2) for place in range(len(ids) - 1)]
    found = head_effects(loaded, TEXTS, "cross entropy")
    assert found.plain == pytest.approx(np.mean(losses), rel=1e-5)
    assert found.effects["decoder"] == pytest.approx(found.values["decoder"] - found.plain)


def test_change_of_embeddings_by_hand():
    loaded, change = of_task("encoder"), [UniformHeads(None, 1, None), ScaleHeads(None, 2, (2,))]

    def embedding(text):
        with torch.no_grad():
            states = loaded.model(**loaded.tokenizer(text, return_tensors="pt")).last_hidden_state[0]
        return states.double().mean(dim=0)

    cosines = []
    for text in TEXTS:
        before = embedding(text)
        with intervening(loaded, change):
            cosines.append(float(torch.cosine_similarity(before, embedding(text), dim=0)))
    _, found = intervention_effect(loaded, TEXTS, change)
    assert found == pytest.approx(1 - np.mean(cosines), rel=1e-3)


@pytest.mark.parametrize("spacing", [1, 3, 99])
def test_every_token_is_masked_once(spacing):
    loaded = of_task("masked")
    (batch,) = text_batches(loaded, TEXTS[:1], mask_spacing=spacing)
    ids = loaded.tokenizer(TEXTS[0], return_tensors="pt")["input_ids"][0]
    inner = len(ids) - 2
    assert len(batch.counted) == min(spacing, inner)
    assert batch.counted.sum(dim=0).tolist() == [0] + [1] * inner + [0]
    masked = batch.tensors["input_ids"] == loaded.tokenizer.mask_token_id
    assert torch.equal(masked, batch.counted)
    assert torch.equal(torch.where(masked, batch.labels, IGNORED), batch.labels)
    assert torch.equal(batch.labels.max(dim=0).values[1:-1], ids[1:-1])
    places = batch.counted[0].nonzero()[:, 0]
    assert (places.diff() == min(spacing, inner)).all()


def test_masks_one_at_a_time_by_hand():
    loaded, losses = of_task("masked"), []
    for text in TEXTS:
        ids = loaded.tokenizer(text, return_tensors="pt")["input_ids"]
        for place in range(1, ids.shape[1] - 1):
            masked = ids.clone()
            masked[0, place] = loaded.tokenizer.mask_token_id
            with torch.no_grad():
                losses.append(-float(loaded.model(input_ids=masked).logits[0, place].log_softmax(-1)[ids[0, place]]))
    measure = measure_of(loaded, TEXTS, "cross entropy")
    measure.batches = text_batches(loaded, TEXTS, mask_spacing=99)
    (found,) = measured(loaded, measure, [()])
    assert found == pytest.approx(np.mean(losses) / math.log(2), rel=1e-5)


def test_cross_entropy_of_references_by_hand():
    loaded, losses = of_task("translation"), []
    for text, reference in zip(TEXTS, REFERENCES, strict=True):
        labels = loaded.tokenizer(text_target=reference, return_tensors="pt")["input_ids"][0]
        begun = torch.cat([torch.tensor([loaded.model.config.decoder_start_token_id]), labels[:-1]])
        with torch.no_grad():
            given = loaded.tokenizer(text, return_tensors="pt")
            log_p = loaded.model(**given, decoder_input_ids=begun[None]).logits[0].log_softmax(-1)
        losses += [-float(row[label]) / math.log(2) for row, label in zip(log_p, labels, strict=True)]
    (found,) = measured(loaded, measure_of(loaded, TEXTS, "cross entropy", REFERENCES), [()])
    assert found == pytest.approx(np.mean(losses), rel=1e-5)


@pytest.mark.parametrize("task", ["causal", "masked", "encoder", "translation"])
def test_texts_side_by_side_are_as_each_alone(task):
    loaded, given = of_task(task), references(task)
    name = "embedding" if task == "encoder" else "divergence"
    measure = measure_of(loaded, TEXTS, name, given)
    change = switch_off(model_heads(loaded)[:2])
    (together,) = measured(loaded, measure, [change])
    measure.batches = text_batches(loaded, TEXTS, given, batch_tokens=1)
    assert len(measure.batches) >= len(TEXTS)
    (alone,) = measured(loaded, measure, [change])
    assert alone == pytest.approx(together, rel=1e-3)


def test_bleu_is_that_of_the_changed_translations():
    from model import load_model

    loaded = load_model("transformer-tiny")
    sources = ["two dogs are running in the snow ."]
    own = translations(loaded.model, loaded.tokenizer, sources)
    found = head_effects(loaded, sources, references=own, stacks=["cross"])
    assert (found.measure, found.higher_is_better) == ("bleu", True)
    assert found.plain == pytest.approx(100)
    assert list(found.values) == ["cross"]
    assert (found.effects["cross"] >= 0).all()
    worst = np.unravel_index(found.effects["cross"].argmax(), found.effects["cross"].shape)
    with intervening(loaded, switch_off([("cross", *map(int, worst))])):
        changed = translations(loaded.model, loaded.tokenizer, sources)
    assert found.values["cross"][worst] == pytest.approx(corpus_bleu(changed, own, lowercase=True).score)
    assert changed != own
    assert translations(loaded.model, loaded.tokenizer, sources) == own


def test_heads_of_every_stack_have_their_place():
    loaded = of_task("translation")
    found = head_effects(loaded, TEXTS[:1], "divergence", references=REFERENCES[:1])
    assert {stack: values.shape for stack, values in found.values.items()} == {
        "encoder": (2, 4), "decoder": (3, 2), "cross": (3, 2),
    }  # fmt: skip
    _, expected = intervention_effect(
        loaded, TEXTS[:1], [ScaleHeads("cross", 2, (1,))], "divergence", references=REFERENCES[:1]
    )
    assert found.values["cross"][2, 1] == pytest.approx(expected, rel=1e-6)


def test_progress_rises_to_one_and_cancels():
    loaded, shares = of_task("causal"), []
    head_effects(loaded, TEXTS, progress=shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert len(shares) >= 13
    before = loaded.model.config._attn_implementation

    def stop(share):
        if share > 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        head_effects(loaded, TEXTS, progress=stop)
    assert loaded.model.config._attn_implementation == before
    assert loaded.lock.acquire(blocking=False)
    loaded.lock.release()


def test_what_there_is_no_measure_for_is_refused():
    assert measures_of(of_task("translation")) == ("divergence",)
    assert measures_of(of_task("translation"), has_references=True) == ("bleu", "divergence", "cross entropy")
    for task, name, message in (
        ("encoder", "divergence", "Choose embedding"),
        ("translation", "bleu", "Give references"),
        ("causal", "accuracy", "There is no measure “accuracy”"),
    ):
        with pytest.raises(HeadscopeError, match=message):
            head_effects(of_task(task), TEXTS, name)
    with pytest.raises(HeadscopeError, match="one reference for each"):
        head_effects(of_task("translation"), TEXTS, "cross entropy", references=REFERENCES[:2])
    with pytest.raises(HeadscopeError, match="at least one text"):
        head_effects(of_task("causal"), [])
    with pytest.raises(HeadscopeError, match="nothing to predict"):
        head_effects(wrap(of_task("causal").model, trained("byte level")), ["a"], "cross entropy")
    with pytest.raises(HeadscopeError, match="no cross attention; it has decoder"):
        head_effects(of_task("causal"), TEXTS, stacks=["cross"])
    with pytest.raises(HeadscopeError, match="cannot be changed one by one"):
        head_effects(wrap(tiny("bloom"), of_task("causal").tokenizer), TEXTS)
