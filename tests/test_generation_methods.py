"""Greedy, sampled and beam: what each chooses, that a seed decides a sample, and that nothing else does."""

from collections import Counter
from itertools import product

import pytest
import torch

from model import record_generation, wrap
from model.decoding import Decoding
from model.errors import InputError
from tests.generation_models import DECODERS, ENCODER_DECODERS, generator, ids_of, prompt_of, with_settings

NAMES = ("gpt2", "gemma2", "bart")


def write(name, **options):
    return record_generation(wrap(generator(name)), prompt_of(name), **{"max_new_tokens": 8, **options})


@pytest.mark.parametrize("name", [*DECODERS, *ENCODER_DECODERS])
def test_greedy_takes_the_most_probable_token(name):
    for step in write(name).steps:
        assert step.probability == pytest.approx(step.top[0][1], abs=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_a_beam_of_one_and_one_candidate_are_greedy(name):
    greedy = ids_of(write(name))
    assert ids_of(write(name, method="beam", beams=1)) == greedy
    assert ids_of(write(name, method="sampled", top_k=1)) == greedy
    assert ids_of(write(name, method="sampled", top_p=1e-6, seed=3)) == greedy
    assert ids_of(write(name, method="sampled", temperature=1e-4, seed=4)) == greedy


@pytest.mark.parametrize("name", NAMES)
def test_the_seed_decides_a_sample(name):
    first, again, other = (ids_of(write(name, method="sampled", seed=seed)) for seed in (5, 5, 6))
    assert first == again
    assert first != other


def test_draws_follow_the_softmax_and_the_filters():
    logits = torch.tensor([[2.0, 1.0, 0.0, -1.0, -2.0]])

    def shares(**options):
        processors = Decoding("sampled", **options).processors()
        none = torch.zeros(1, 0, dtype=torch.long)
        draws = Counter(int(processors(none, logits.clone()).argmax()) for _ in range(4000))
        return torch.tensor([draws[token] / 4000 for token in range(5)])

    for temperature in (0.5, 1.0, 3.0):
        expected = (logits[0] / temperature).softmax(dim=-1)
        torch.testing.assert_close(shares(temperature=temperature), expected, atol=0.03, rtol=0)
    three = logits[0, :3].softmax(dim=-1)
    torch.testing.assert_close(shares(top_k=3)[:3], three, atol=0.03, rtol=0)
    # The first two make up 0.87, so that the second is needed for 0.8 and the third is not.
    torch.testing.assert_close(shares(top_p=0.8)[:2], logits[0, :2].softmax(dim=-1), atol=0.03, rtol=0)
    assert shares(top_k=3)[3:].sum() == shares(top_p=0.8)[2:].sum() == 0


@pytest.mark.parametrize("name", ["gpt2", "bart"])
def test_random_numbers_of_the_caller_are_untouched(name):
    loaded, prompt, samples = wrap(generator(name)), prompt_of(name), []
    for seed in (7, 8):
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        samples.append(ids_of(record_generation(loaded, prompt, max_new_tokens=6, method="sampled")))
        assert torch.equal(torch.get_rng_state(), before)
    assert samples[0] == samples[1]


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_a_beam_as_wide_as_the_vocabulary_finds_the_best_of_all(name):
    model, prompt = generator(name), prompt_of(name)["input_ids"]
    with torch.no_grad():
        first = model(prompt).logits[0, -1].log_softmax(dim=-1)
        longer = torch.cat([prompt.expand(99, -1), torch.arange(99)[:, None]], dim=1)
        second = model(longer).logits[:, -1].log_softmax(dim=-1)
    end = model.generation_config.eos_token_id
    scores = {
        (one, two): float(first[one] + second[one, two]) / 2 for one, two in product(range(99), repeat=2) if one != end
    }
    scores[(end,)] = float(first[end])
    best = max(scores, key=scores.get)
    found = write(name, method="beam", beams=99, max_new_tokens=2)
    assert tuple(ids_of(found)) == best
    assert sum(torch.tensor([step.probability]).log() for step in found.steps) / len(best) == pytest.approx(
        scores[best], abs=1e-4
    )


def test_the_settings_of_a_checkpoint_do_not_change_a_method():
    settings = dict(
        do_sample=True, temperature=0.1, top_k=2, num_beams=3, repetition_penalty=9.0, no_repeat_ngram_size=1, min_length=40,
        max_length=12, length_penalty=5.0, forced_eos_token_id=2, max_new_tokens=3, num_return_sequences=2,
        output_attentions=True, return_dict_in_generate=True, use_cache=False,
    )  # fmt: skip
    # Without the settings the text ends after three tokens or later, long before min_length.
    end = ids_of(write("gpt2"))[2]
    plain, model = (with_settings("gpt2", eos_token_id=end, **changed) for changed in ({}, settings))
    before = model.generation_config.to_dict()
    for method in ("greedy", "sampled", "beam"):
        found, expected = (
            record_generation(wrap(one), prompt_of("gpt2"), max_new_tokens=8, method=method) for one in (model, plain)
        )
        assert ids_of(found) == ids_of(expected)
        assert (found.stopped, method) != ("length", "greedy")
    assert model.generation_config.to_dict() == before


def test_a_first_token_that_a_model_was_trained_with_stays_forced():
    model = with_settings("bart", forced_bos_token_id=17)
    found = record_generation(wrap(model), prompt_of("bart"), max_new_tokens=4)
    assert ids_of(found)[0] == 17
    # What the model itself expected there is told as it is.
    assert found.steps[0].probability < found.steps[0].top[0][1]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"method": "random"}, "one of greedy, sampled, beam, not “random”"),
        ({"temperature": 0.0}, "temperature above 0"),
        ({"temperature": float("nan")}, "temperature above 0"),
        ({"temperature": float("inf")}, "temperature above 0"),
        ({"top_k": 0}, "top_k as a number of tokens from 1"),
        ({"top_p": 0.0}, "top_p as a share"),
        ({"top_p": 1.5}, "top_p as a share"),
        ({"beams": 0}, "number of beams from 1"),
        ({"seed": 2**64}, "seed of 64 bits"),
        ({"max_new_tokens": 0}, "max_new_tokens from 1"),
        ({"top": -1}, "top from 0"),
    ],
)
def test_values_that_make_no_sense(options, sentence):
    with pytest.raises(InputError, match=sentence):
        write("gpt2", **options)


@pytest.mark.parametrize("top", [0, 1, 99, 1000])
def test_how_many_predictions_are_kept(top):
    for step in write("gpt2", top=top, max_new_tokens=2).steps:
        assert len(step.top) == min(top, 99)
        values = [value for _, value in step.top]
        assert values == sorted(values, reverse=True)
        if top >= 99:
            assert sum(values) == pytest.approx(1, abs=1e-5)
