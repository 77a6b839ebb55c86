"""Loss against position by hand numbers, far past the trained length; the file of curves, and the command that makes it."""

import argparse
import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from model import length_results
from model.architectures import SmallDecoder, SmallDecoderConfig, Transformer, TransformerConfig
from model.architectures.positions import POSITIONS
from model.errors import HeadscopeError
from model.evaluation import command as evaluation
from model.evaluation.language import token_stream
from model.evaluation.length import (
    PositionLosses,
    TrainedDecoder,
    last_quarters,
    loss_by_position,
    position_spans,
    read_decoder,
)
from model.length_results import LengthResults, SpanLoss, read_length_results, write_length_results
from model.training import command as training
from model.training import shipping
from model.training.subwords import learn_subwords
from tests.tiny_tokenizers import CORPUS

TRAINED = 16
TOKENIZER = learn_subwords(CORPUS, 330, running_text=True, limit=TRAINED)
_WORDS = " ".join(CORPUS).split()
TEXT = " ".join(np.random.default_rng(0).choice(_WORDS, 300))


def decoder(positions: str, trained: int = TRAINED) -> SmallDecoder:
    torch.manual_seed(0)
    sizes = dict(d_model=16, d_ff=16, heads=2, layers=1, positions=positions, max_position_embeddings=trained)
    return SmallDecoder(SmallDecoderConfig(vocab_size=len(TOKENIZER), dropout=0.0, **sizes)).eval()


@pytest.mark.parametrize("positions", POSITIONS)
def test_a_model_that_knows_nothing_loses_the_same_at_every_position_it_has(positions):
    model, told = decoder(positions), []
    with torch.no_grad():
        model.norm.weight.zero_()
    losses = loss_by_position(model, TOKENIZER, TEXT, length=40, windows=5, progress=told.append).losses
    end = TRAINED if positions == "learned" else 40
    assert losses.shape == (5, 40)
    np.testing.assert_allclose(losses[:, :end], math.log(len(TOKENIZER)), rtol=1e-6)
    assert np.isnan(losses[:, end:]).all()
    assert told[-1] == 1


def test_learned_positions_have_no_row_past_the_trained_length():
    model = decoder("learned")
    with pytest.raises(IndexError):
        model(input_ids=torch.ones(1, TRAINED + 1, dtype=torch.long))
    losses = loss_by_position(model, TOKENIZER, TEXT, length=40, windows=3)
    curve = TrainedDecoder(model, TOKENIZER).curve(losses, 40)
    assert curve.spans[-1].last == curve.quarters[-1].last == TRAINED
    past = TrainedDecoder(decoder("none"), TOKENIZER).curve(PositionLosses(np.ones((2, 40), dtype=np.float32)), 40)
    assert [(quarter.first, quarter.last) for quarter in past.quarters] == [(13, 16), (25, 32)]
    assert past.spans[-1].last == 40


def test_each_position_is_predicted_from_all_before_it_in_its_window():
    model, length = decoder("rotary"), 24
    ids = token_stream(TOKENIZER, TEXT)
    losses = loss_by_position(model, TOKENIZER, TEXT, length=length, windows=2).losses
    for window, start in enumerate((0, len(ids) - length - 1)):
        for position in (1, TRAINED, TRAINED + 1, length):
            with torch.no_grad():
                logits = model(input_ids=ids[None, start : start + position]).logits[0, -1]
            expected = -float(logits.log_softmax(-1)[ids[start + position]])
            assert losses[window, position - 1] == pytest.approx(expected, abs=1e-4)


def test_many_windows_are_what_each_is_alone():
    # More than fit into one batch.
    many = loss_by_position(decoder("alibi"), TOKENIZER, TEXT, length=24, windows=200).losses
    few = loss_by_position(decoder("alibi"), TOKENIZER, TEXT, length=24, windows=2).losses
    np.testing.assert_allclose(many[[0, -1]], few, atol=1e-4)
    assert len(np.unique(many.round(4), axis=0)) > 100


def test_mean_and_error_over_windows():
    found = PositionLosses(np.array([[1, 3, np.nan], [5, 7, np.nan]], dtype=np.float32))
    for span, loss in ((found.over(1, 2), 4.0), (found.over(1, 1), 3.0)):
        # The means of the windows lie 4 apart: s = sqrt(8), and the error sqrt(8) / sqrt(2).
        assert (span.loss, span.error) == pytest.approx((loss, 2.0))
    assert (span.first, span.last) == (1, 1)


def test_windows_close_to_each_other_are_no_two_pieces_of_evidence():
    values = np.random.default_rng(0).normal(size=(64, 1)).astype(np.float32)
    once, each_thrice = PositionLosses(values), PositionLosses(values.repeat(3, axis=0))
    assert once.over(1, 1).error == pytest.approx(values.std(ddof=1) / 8, rel=1e-5)
    assert each_thrice.over(1, 1).error == pytest.approx(once.over(1, 1).error)


def test_spans_by_hand():
    past = [span for span in position_spans(16, 8) if span[0] > 8]
    assert past == [(9, 10), (11, 11), (12, 13), (14, 16)]
    assert last_quarters(512, 64) == [(49, 64), (97, 128), (193, 256), (385, 512)]
    assert last_quarters(100, 64) == [(49, 64)]


@pytest.mark.parametrize(("length", "trained"), [(512, 64), (100, 64), (300, 48), (5, 64), (1, 1)])
def test_spans_cover_every_position_once_and_cross_no_doubling(length, trained):
    spans = position_spans(length, trained)
    assert [position for first, last in spans for position in range(first, last + 1)] == list(range(1, length + 1))
    for end in (trained, 2 * trained, 4 * trained):
        assert not any(first <= end < last for first, last in spans)


@pytest.mark.parametrize(("length", "windows"), [(10**6, 4), (8, 1), (0, 4), (8, 10**6)])
def test_too_little_text_is_said(length, windows):
    with pytest.raises(HeadscopeError, match="Give more text"):
        loss_by_position(decoder("none"), TOKENIZER, TEXT, length=length, windows=windows)


def call(command, *words) -> int:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args([str(word) for word in words]))


def saved(model, folder):
    model.save_pretrained(folder)
    TOKENIZER.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Two kinds of position trained for a few steps by the recipe of the study, and their text."""
    folder = tmp_path_factory.mktemp("study")
    (folder / "book.txt").write_text(TEXT, encoding="utf-8")
    for kind in ("learned", "sinusoidal"):
        words = ["language", "--model", "position-study", "--positions", kind, "--text", folder / "book.txt"]
        words += ["--validation", folder / "book.txt", "--vocabulary", 330, "--epochs", 1, "--batch-tokens", 300]
        assert call(training, *words, "--device", "cpu", "--seed", 7, "--out", folder / kind) == 0
    return folder


@pytest.fixture(scope="module")
def measured(study):
    """The file of curves of both, one as a run and one as a shipped folder."""
    assert call(shipping, "--run", study / "sinusoidal", "--out", study / "shipped", "--average", 1) == 0
    words = ["--model", study / "learned", study / "shipped", "--text", study / "book.txt", "--device", "cpu"]
    assert call(evaluation, "length", *words, "--length", 128, "--windows", 4, "--json", study / "curves.json") == 0
    return study / "curves.json"


def test_the_command_measures_runs_and_folders(study, measured):
    found = read_length_results(measured)
    assert (found.trained_length, found.length, found.windows, found.vocabulary) == (64, 128, 4, 330)
    assert found.texts == ("book.txt",)
    learned, sinusoidal = found.curves["learned"], found.curves["sinusoidal"]
    assert (learned.spans[-1].last, sinusoidal.spans[-1].last) == (64, 128)
    steps = json.loads((study / "learned" / "log.jsonl").read_text(encoding="utf-8").splitlines()[-1])["step"]
    assert learned.trained_tokens == steps * 256  # four windows of 64 fit into 300 tokens
    assert learned.seed == 7
    assert "--positions learned" in learned.command
    assert (sinusoidal.trained_tokens, sinusoidal.seed, sinusoidal.command) == (None, None, None)
    assert learned.parameters == sinusoidal.parameters + 64 * 128
    assert str(study) not in measured.read_text(encoding="utf-8")


def test_the_curve_in_the_file_is_that_of_the_model(study, measured):
    found = read_decoder(str(study / "learned"), "cpu")
    losses = loss_by_position(found.model, found.tokenizer, TEXT, length=128, windows=4).losses
    stored = read_length_results(measured).curves["learned"]
    assert stored.quarters[0].loss == pytest.approx(float(losses[:, 48:64].mean()), abs=1e-4)
    assert stored.spans[0].loss == pytest.approx(float(losses[:, 0].mean()), abs=1e-4)


def test_the_table_says_where_there_is_no_position(study, tmp_path, capsys):
    words = ["--model", study / "learned", study / "sinusoidal", "--text", study / "book.txt", "--device", "cpu"]
    assert call(evaluation, "length", *words, "--length", 128, "--windows", 4, "--json", tmp_path / "a.json") == 0
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert "nats per token" in lines[0]
    assert "49 to 64" in lines[1]
    assert "97 to 128" in lines[1]
    assert lines[2].startswith("learned")
    assert lines[2].endswith("no position")
    loss = read_length_results(tmp_path / "a.json").curves["sinusoidal"].quarters[1].loss
    assert f"{loss:.3f} ±" in lines[3]
    # 300 words have not the tokens for four windows of 128 beside each other, but for two of 20.
    assert "text is short" in printed.err
    words[-1] = "cpu"
    assert call(evaluation, "length", *words, "--length", 20, "--windows", 2, "--json", tmp_path / "a.json") == 0
    assert "text is short" not in capsys.readouterr().err


def test_models_that_cannot_be_compared_are_refused(study, tmp_path):
    def refused(match, *models, json_file=tmp_path / "no.json"):
        words = ["--model", *models, "--text", study / "book.txt", "--device", "cpu", "--json", json_file]
        with pytest.raises(HeadscopeError, match=match):
            call(evaluation, "length", *words, "--length", 20, "--windows", 2)
        assert not json_file.exists()

    refused("same kind", study / "learned", study / "learned")
    refused("different lengths", study / "learned", saved(decoder("alibi", 32), tmp_path / "short"))
    other = saved(decoder("rotary", 64), tmp_path / "other")
    learn_subwords(CORPUS, 300, running_text=True).save_pretrained(other)
    refused("different tokens", study / "learned", other)
    sizes = dict(d_model=16, d_ff=16, heads=2, encoder_layers=1, decoder_layers=1)
    translator = saved(Transformer(TransformerConfig(vocab_size=330, **sizes)), tmp_path / "translator")
    refused("no small decoder", translator)
    refused("no folder", study / "learned", json_file=tmp_path / "absent" / "a.json")
    broken = saved(decoder("none", 64), tmp_path / "broken")
    (broken / "run.json").write_text("[]", encoding="utf-8")
    refused("no weights of an epoch", broken)
    (broken / "model.safetensors").rename(broken / "epoch-0001.safetensors")
    refused("no run", broken)


def test_the_file_reads_back(measured, tmp_path):
    found = read_length_results(measured)
    write_length_results(found, tmp_path / "again.json")
    assert read_length_results(tmp_path / "again.json") == found
    assert (tmp_path / "again.json").read_bytes() == measured.read_bytes()
    frame = found.frame()
    assert list(frame.columns) == ["kind", "first", "last", "position", "loss", "error"]
    row = frame[(frame["kind"] == "sinusoidal") & (frame["last"] == 128)].iloc[0]
    assert row["position"] == pytest.approx(math.sqrt(row["first"] * 128))
    assert set(frame["kind"]) == {"learned", "sinusoidal"}
    with pytest.raises(HeadscopeError, match="could not be written"):
        write_length_results(found, tmp_path / "absent" / "a.json")


def spans_of(found: LengthResults, *spans: SpanLoss) -> LengthResults:
    return replace(found, curves={"none": replace(found.curves["learned"], spans=spans)})


def test_what_is_no_file_of_curves_is_said(measured, tmp_path):
    found, path = read_length_results(measured), tmp_path / "a.json"
    for broken in (
        replace(found, curves={"\ud800": found.curves["learned"]}),
        replace(found, curves={"long " * 20: found.curves["learned"]}),
        spans_of(found),
        spans_of(found, SpanLoss(2, 1, 1.0, 0.0)),
        spans_of(found, SpanLoss(1, 4, 1.0, 0.0), SpanLoss(4, 5, 1.0, 0.0)),
        spans_of(found, SpanLoss(1, 1, -1.0, 0.0)),
        replace(found, curves={}),
        replace(found, trained_length=0),
    ):
        write_length_results(broken, path)
        with pytest.raises(HeadscopeError, match="no length curves"):
            read_length_results(path)
    text = measured.read_text(encoding="utf-8")
    for content in ("", "[]", "{", text.replace("curves 1", "curves 9"), text.replace('"loss":', '"loss":NaN,"x":', 1)):
        path.write_text(content, encoding="utf-8")
        with pytest.raises(HeadscopeError, match="no length curves"):
            read_length_results(path)
    with pytest.raises(HeadscopeError, match="There is no file"):
        read_length_results(tmp_path / "absent.json")


def test_shipped_curves_are_read_where_they_are(measured, tmp_path, monkeypatch):
    monkeypatch.setattr(length_results, "_SHIPPED", tmp_path / "absent.json")
    assert length_results.shipped_length_curves() is None
    monkeypatch.setattr(length_results, "_SHIPPED", measured)
    assert set(length_results.shipped_length_curves().curves) == {"learned", "sinusoidal"}
