"""Training: a step lowers the loss, and what was interrupted goes on bit for bit."""

import json

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from model.architectures import (
    RecurrentSearch,
    RecurrentSearchConfig,
    SmallDecoder,
    SmallDecoderConfig,
    Transformer,
    TransformerConfig,
)
from model.errors import HeadscopeError
from model.training.checkpoint import Progressed, load_checkpoint, save_checkpoint
from model.training.language import LanguageTask, joined_stream
from model.training.loop import Recipe, train
from model.training.subwords import learn_subwords
from model.training.translation import TranslationTask

PAIRS = [
    (f"{number} {animal}s {verb} here", f"hier {german_verb} {number} {german}")
    for number in ("two", "three", "four", "five")
    for animal, german in (("dog", "Hunde"), ("cat", "Katzen"), ("bird", "Vögel"))
    for verb, german_verb in (("sleep", "schlafen"), ("eat", "essen"), ("sit", "sitzen"))
]
TOKENIZER = learn_subwords([side for pair in PAIRS for side in pair] * 3, 90, lowercase=True)


def transformer() -> Transformer:
    torch.manual_seed(0)
    sizes = dict(d_model=32, d_ff=48, heads=4, encoder_layers=1, decoder_layers=1, dropout=0.1)
    return Transformer(TransformerConfig(vocab_size=len(TOKENIZER), **sizes))


def translation() -> TranslationTask:
    return TranslationTask(TOKENIZER, PAIRS, PAIRS[:4], batch_tokens=160, bleu_epochs=10)


class Interrupted(Exception):
    pass


def interrupt(folder, model, recipe, at: float) -> None:
    def progress(share: float, _doing: str) -> None:
        if share >= at:
            raise Interrupted

    with pytest.raises(Interrupted):
        train(model, translation(), recipe, folder, progress)


def test_training_lowers_the_loss_and_learns_to_translate(tmp_path):
    recipe = Recipe(epochs=30, rate=lambda step: min(step, 20) * 2e-4, seed=3)
    model = train(transformer(), translation(), recipe, tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    measured = [line for line in lines if "validation_loss" in line]
    assert len(measured) == 30
    assert measured[-1]["validation_loss"] < 0.3 < 2 < measured[0]["validation_loss"]
    assert measured[-1]["validation_bleu"] > 90
    assert not model.training
    assert len(list(tmp_path.glob("epoch-*.safetensors"))) == 10


@pytest.mark.parametrize("attention", ["additive", "dot"])
def test_the_recurrent_model_learns_too(attention, tmp_path):
    torch.manual_seed(0)
    sizes = dict(d_embedding=16, d_hidden=24, d_alignment=16, d_output=16, attention=attention)
    model, task = RecurrentSearch(RecurrentSearchConfig(vocab_size=len(TOKENIZER), **sizes)), translation()
    before = task.measure(model.eval(), 1)["validation_loss"]
    train(model, task, Recipe(epochs=4, rate=lambda step: 5e-3, clip=1.0), tmp_path)
    assert task.measure(model, 1)["validation_loss"] < before - 1


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("at", [0.4, 0.75])
def test_resumed_equals_uninterrupted(at, precision, tmp_path):
    recipe = Recipe(epochs=4, rate=lambda step: 1e-3, precision=precision, checkpoint_steps=2, log_steps=1, seed=5)
    whole = train(transformer(), translation(), recipe, tmp_path / "whole")
    interrupt(tmp_path / "parts", transformer(), recipe, at)
    torch.rand(7)  # whatever happens in between
    resumed = train(transformer(), translation(), recipe, tmp_path / "parts")
    for name, weight in whole.named_parameters():
        assert torch.equal(weight, resumed.get_parameter(name)), name
    other = train(
        transformer(), translation(), Recipe(4, lambda step: 1e-3, precision=precision, seed=6), tmp_path / "other"
    )
    assert not torch.equal(whole.output.weight, other.output.weight)


def test_another_model_does_not_go_on_from_a_checkpoint(tmp_path):
    recipe = Recipe(epochs=1, rate=lambda step: 1e-3)
    train(transformer(), translation(), recipe, tmp_path)
    wider = Transformer(
        TransformerConfig(vocab_size=90, d_model=16, d_ff=16, heads=2, encoder_layers=1, decoder_layers=1)
    )
    with pytest.raises(HeadscopeError, match="does not continue"):
        train(wider, translation(), Recipe(epochs=2, rate=lambda step: 1e-3), tmp_path)
    (tmp_path / "checkpoint.safetensors").write_bytes(b"broken")
    with pytest.raises(HeadscopeError, match="does not continue"):
        train(transformer(), translation(), recipe, tmp_path)


@pytest.mark.parametrize(
    "changed",
    [
        {"exp_avg.weight": torch.zeros(3, 2)},
        {"exp_avg.weight": torch.zeros(())},
        {"step.weight": torch.zeros(2, 3)},
        {"exp_avg_sq.weight": torch.zeros(2, 3, dtype=torch.int64)},
        {"exp_avg.weight": None},
        {"max_exp_avg_sq.bias": torch.zeros(2)},
    ],
)
def test_moments_that_do_not_fit_are_refused_and_nothing_is_changed(changed, tmp_path):
    net = torch.nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(net.parameters())
    net(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    path = tmp_path / "checkpoint.safetensors"
    save_checkpoint(path, net, optimizer, Progressed())
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    tensors = {name: tensor for name, tensor in (load_file(path) | changed).items() if tensor is not None}
    save_file(tensors, path, metadata)
    before = {name: weight.clone() for name, weight in net.state_dict().items()}
    with pytest.raises(HeadscopeError, match="does not continue"):
        load_checkpoint(path, net, optimizer)
    assert all(torch.equal(weight, before[name]) for name, weight in net.state_dict().items())


def test_a_decoder_learns_running_text(tmp_path):
    text = "\n".join(f"{source}. {target}." for source, target in PAIRS * 3)
    tokenizer = learn_subwords(text.split("\n"), 350, running_text=True)
    stream = joined_stream(tokenizer, [text])
    task = LanguageTask(tokenizer, stream, text[:600], context=16, batch_tokens=128)
    seen = torch.cat([batch[:, 1:].flatten() for batch in task.batches(0)])
    assert len(stream) - 2 * 16 <= len(seen) <= len(stream)
    torch.manual_seed(0)
    model = SmallDecoder(SmallDecoderConfig(vocab_size=len(tokenizer), d_model=32, d_ff=48, heads=4, layers=1))
    before = task.measure(model.eval(), 0)["validation_bits_per_character"]
    train(model, task, Recipe(epochs=6, rate=lambda step: 3e-3), tmp_path)
    assert task.measure(model, 0)["validation_bits_per_character"] < before / 2
    with pytest.raises(HeadscopeError, match="too few"):
        LanguageTask(tokenizer, stream[:20], context=16)


def period(window: torch.Tensor) -> int | None:
    """Return after how many tokens a window repeats itself, or None where it does not in its first half."""
    return next((step for step in range(1, len(window) // 2 + 1) if (window[step:] == window[:-step]).all()), None)


def test_a_share_of_the_windows_repeats_a_shuffled_passage():
    stream = torch.arange(100_000)
    task = LanguageTask(TOKENIZER, stream, context=64, batch_tokens=640, repeated=0.25)
    windows = torch.cat(task.batches(0))
    periods = [period(window) for window in windows]
    found = [one for one in periods if one]
    assert len(found) / len(periods) == pytest.approx(0.25, abs=0.04)
    assert min(found) == 16
    assert max(found) == 32
    repeated = next(window for window, one in zip(windows, periods, strict=True) if one)
    passage = repeated[: period(repeated)]
    assert (passage.sort().values.diff() == 1).all()
    assert not (passage.diff() == 1).all()
    assert all(torch.equal(*pair) for pair in zip(task.batches(0), task.batches(0), strict=True))
    untouched = LanguageTask(TOKENIZER, stream, context=64, batch_tokens=640).batches(0)
    assert all(period(window) is None for window in torch.cat(untouched))
    # The stream itself stays as it was.
    assert torch.equal(stream, torch.arange(100_000))


def test_the_second_epoch_begins_with_a_drill():
    task = LanguageTask(TOKENIZER, torch.arange(100_000), context=64, batch_tokens=640, drill=20)
    shares = [
        [np.mean([period(window) is not None for batch in part for window in batch]) for part in (one[:20], one[20:])]
        for one in (task.batches(0), task.batches(1), task.batches(2))
    ]
    assert shares[0] == shares[2] == [0, 0]
    assert shares[1] == [pytest.approx(0.9, abs=0.08), 0]
    drilled = [period(window) for batch in task.batches(1)[:20] for window in batch]
    assert 4 <= min(filter(None, drilled)) < 16
    with pytest.raises(HeadscopeError, match="from 0 to 1"):
        LanguageTask(TOKENIZER, torch.arange(1000), context=64, repeated=1.5)


@pytest.mark.parametrize("wrong", [dict(epochs=0), dict(precision="int8"), dict(keep=0)])
def test_a_recipe_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(HeadscopeError):
        Recipe(**dict(epochs=1, rate=lambda step: 1.0) | wrong)
