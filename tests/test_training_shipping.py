"""From a run to a folder that loads offline: averaged weights in float16, tokenizer and card; and the commands around it."""

import argparse
import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from model import load_model, record
from model.errors import HeadscopeError
from model.evaluation import command as evaluation
from model.training import command as training
from model.training import shipping
from tests.test_training_loop import PAIRS


def call(command, *words) -> int:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args([str(word) for word in words]))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A short run of the smallest recipes on a few sentences."""
    folder = tmp_path_factory.mktemp("training")
    for name, side in (("a.en", 0), ("a.de", 1)):
        (folder / name).write_text("".join(f"{pair[side]}\n" for pair in PAIRS), encoding="utf-8")
    source, target = folder / "a.en", folder / "a.de"
    words = ["translation", "--source", source, source, "--target", target, target, "--vocabulary", 90, "--epochs", 3]
    assert call(training, *words, "--device", "cpu", "--batch-tokens", 300, "--warmup", 5, "--out", folder / "run") == 0
    return folder


def test_the_mean_of_weights(tmp_path):
    for number in (1, 2, 6):
        save_file({"w": torch.tensor([number, -1.0])}, tmp_path / f"{number}.safetensors")
    paths = sorted(tmp_path.iterdir())
    assert shipping.averaged_weights(paths)["w"].tolist() == [3.0, -1.0]
    save_file({"w": torch.ones(3)}, tmp_path / "7.safetensors")
    with pytest.raises(HeadscopeError, match="another model"):
        shipping.averaged_weights(sorted(tmp_path.iterdir()))
    with pytest.raises(HeadscopeError, match="no weights"):
        shipping.averaged_weights([])


def test_a_run_is_shipped_and_loads(run, tmp_path, capsys):
    (tmp_path / "figures.txt").write_text("BLEU 12.34\n", encoding="utf-8")
    out = tmp_path / "tiny-model"
    assert (
        call(shipping, "--run", run / "run", "--out", out, "--average", 2, "--figures", tmp_path / "figures.txt") == 0
    )
    stored = load_file(out / "model.safetensors")
    assert {weight.dtype for weight in stored.values()} == {torch.float16}
    epochs = [load_file(run / "run" / f"epoch-000{number}.safetensors") for number in (2, 3)]
    mean = (
        epochs[0]["decoder.blocks.0.feed_forward.inner.bias"] + epochs[1]["decoder.blocks.0.feed_forward.inner.bias"]
    ) / 2
    assert torch.allclose(stored["decoder.blocks.0.feed_forward.inner.bias"].float(), mean, atol=1e-3)
    loaded = load_model(str(out), device="cpu")
    assert loaded.warnings == ()
    assert record(loaded, PAIRS[0][0]).stacks == ("encoder", "decoder", "cross")
    card = (out / "README.md").read_text(encoding="utf-8")
    for said in (
        "tiny-model",
        "BLEU 12.34",
        "a.en, a.en, a.de, a.de",
        "3 epochs",
        "Seed 0",
        "--vocabulary 90",
        "--out RUN",
    ):
        assert said in card
    assert str(run) not in card
    words = ["translation", "--model", out, "--source", run / "a.en", "--reference", run / "a.de", "--beams", 2]
    assert call(evaluation, *words, "--device", "cpu", "--out", tmp_path / "found.txt") == 0
    printed = capsys.readouterr().out
    assert "BLEU, lower-cased and tokenised" in printed
    assert "sacrebleu" in printed
    assert len((tmp_path / "found.txt").read_text(encoding="utf-8").splitlines()) == len(PAIRS)


def test_a_run_says_how_it_was_made(run):
    about = json.loads((run / "run" / "run.json").read_text(encoding="utf-8"))
    assert about["command"].startswith("python -m model train translation --model transformer-tiny --source a.en a.en")
    lines = [json.loads(line) for line in (run / "run" / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert lines[-1]["epoch"] == 3


def test_what_is_no_run_is_said(tmp_path):
    with pytest.raises(HeadscopeError):
        call(shipping, "--run", tmp_path, "--out", tmp_path / "out")
    with pytest.raises(HeadscopeError, match="from 1"):
        call(shipping, "--run", tmp_path, "--out", tmp_path / "out", "--average", 0)
    words = ["--source", tmp_path / "no", tmp_path / "no", "--target", tmp_path / "no", tmp_path / "no"]
    with pytest.raises(HeadscopeError, match="There is no file or folder"):
        call(training, "translation", *words, "--out", tmp_path / "out")
