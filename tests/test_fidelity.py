"""Fidelity: Spearman against scipy, every method's relevance by its own formula, and results over a set of texts."""

import json

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from model.analysis.flow import attention_flow
from model.analysis.rollout import attention_rollout, combined_heads, receptive_field_corrected, rows_to_one
from model.commands import main
from model.encoding import encode
from model.errors import HeadscopeError
from model.recording import record
from model.relevance import corpus
from model.relevance.corpus import corpus_fidelity, read_json, write_json, write_parquet
from model.relevance.fidelity import spearman, text_fidelity
from model.relevance.gradients import gradient_attention, weight_gradients
from model.relevance.outputs import EmbeddingOutput, usual_output
from model.relevance.token_relevances import METHODS, token_relevances
from model.relevance.value_zeroing import stacked, value_zeroing
from tests.effect_models import of_task

TEXT = "the animal was too tired to cross the street"
TEXTS = (TEXT, "it", "the cats cross the streets because it rains", "the animal did cross the street")


def relevances(task: str, methods=None):
    loaded = of_task(task)
    encoding = encode(loaded, TEXT, target="it rains" if task == "translation" else None)
    output = usual_output(loaded, encoding)
    found = token_relevances(loaded, encoding, output, methods=methods)
    return loaded, encoding, output, {(one.method, one.layer): one.values for one in found.found}, found.refused


def test_spearman_is_that_of_scipy():
    generator = np.random.default_rng(0)
    for _ in range(5):
        one, other = generator.integers(0, 6, (2, 12)).astype(float)
        assert spearman(one, other) == pytest.approx(scipy.stats.spearmanr(one, other).statistic)
    assert spearman(np.array([1.0, 2, 4]), np.array([10.0, 30, 20])) == pytest.approx(0.5)
    assert np.isnan(spearman(np.ones(4), np.arange(4.0)))


def test_an_encoder_is_read_as_the_mean_over_its_tokens():
    loaded, encoding, output, found, refused = relevances("encoder")
    assert isinstance(output, EmbeddingOutput)
    maps = combined_heads(record(loaded, TEXT))
    rolled = attention_rollout(maps)
    count = maps.shape[1]
    for layer in range(3):
        assert found["attention", layer] == pytest.approx(maps[layer].mean(axis=0), abs=1e-6)
        assert found["rollout", layer] == pytest.approx(rolled[layer].mean(axis=0), abs=1e-6)
    flow = attention_flow(maps[:2], np.full((1, count), 1 / count))[0]
    assert found["flow", 1] == pytest.approx(flow, abs=1e-6)
    zeroed = rows_to_one(stacked(value_zeroing(loaded, encoding), "encoder"))
    assert found["value zeroing", 2] == pytest.approx(zeroed[2].mean(axis=0), abs=1e-6)
    expected = attention_rollout(zeroed, residual=0)[2].mean(axis=0)
    assert found["value zeroing rollout", 2] == pytest.approx(expected, abs=1e-6)
    assert found["ALTI rollout", 2].sum() == pytest.approx(1, abs=1e-5)
    assert set(refused) == {"rollout, receptive field"}


def test_a_decoder_is_read_at_the_position_that_predicts():
    loaded, encoding, output, found, refused = relevances("causal")
    trace = record(loaded, TEXT)
    maps = combined_heads(trace)
    assert refused == {}
    assert found["attention", 1] == pytest.approx(maps[1, -1], abs=1e-6)
    allowed = np.broadcast_to(np.tri(maps.shape[1], dtype=bool), maps.shape)
    corrected = receptive_field_corrected(attention_rollout(maps), allowed)
    assert found["rollout, receptive field", 2] == pytest.approx(corrected[2, -1], abs=1e-6)
    products = gradient_attention(weight_gradients(loaded, encoding, output), "decoder")
    assert found["gradient x attention", 0] == pytest.approx(np.abs(products[0]).sum(axis=0), abs=1e-6)
    assert {layer for method, layer in found if method == "gradient x input"} == {None}


def test_of_a_translation_the_source_tokens_are_ranked():
    _, encoding, _, found, refused = relevances("translation")
    assert {method for method, _ in found} == set(METHODS) - {"rollout, receptive field"}
    assert {values.shape for values in found.values()} == {(len(encoding.tokens),)}
    assert set(refused) == {"rollout, receptive field"}
    assert {layer for method, layer in found if method == "ALTI rollout"} == {0, 1, 2}


def test_the_fidelity_of_a_text_is_spearman_over_the_tokens_that_are_not_special():
    loaded = of_task("encoder")
    encoding, shares = encode(loaded, TEXT), []
    found = text_fidelity(loaded, encoding, methods=["attention"], progress=shares.append)
    kept = ~np.isnan(found.blank_out.changes)
    assert kept.tolist() == [not token.special for token in encoding.tokens]
    maps = combined_heads(record(loaded, TEXT))
    expected = scipy.stats.spearmanr(maps[1].mean(axis=0)[kept], found.blank_out.changes[kept]).statistic
    assert found.rows[1].spearman == pytest.approx(expected)
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_what_cannot_be_ranked_is_refused():
    loaded = of_task("encoder")
    with pytest.raises(HeadscopeError, match="at least 5 tokens"):
        text_fidelity(loaded, encode(loaded, "it"))
    with pytest.raises(HeadscopeError, match="no method “magic”"):
        relevances("encoder", ["magic"])


def test_a_set_of_texts_gives_means_with_intervals_and_reads_back(tmp_path):
    loaded, methods = of_task("encoder"), ("attention", "gradient x input")
    path = tmp_path / "fidelity.json"
    results, frame = corpus_fidelity(loaded, TEXTS, result=path, methods=methods, command="c")
    assert (results.texts, results.skipped, results.output, results.blank) == (3, 1, "embedding", "unknown token")
    by_hand = [text_fidelity(loaded, encode(loaded, text), methods=methods) for text in TEXTS if text != "it"]
    first = [found.rows[0].spearman for found in by_hand]
    row = results.rows[0]
    assert (row.method, row.layer, row.texts) == ("attention", 0, 3)
    assert row.mean == pytest.approx(np.mean(first))
    assert row.deviation == pytest.approx(np.std(first))
    assert min(first) - 1e-6 <= row.low <= row.mean <= row.high <= max(first) + 1e-6
    assert [(one.method, one.layer) for one in results.rows] == [
        *[("attention", layer) for layer in range(3)],
        (methods[1], None),
    ]
    write_json(results, path)
    assert read_json(path).rows[3].mean == pytest.approx(results.rows[3].mean, abs=1e-6)
    assert "gradient x input" in results.table()
    write_parquet(frame, tmp_path / "texts.parquet")
    assert pd.read_parquet(tmp_path / "texts.parquet").shape == (12, 4)


def test_a_run_that_was_stopped_goes_on(tmp_path, monkeypatch):
    loaded, run = of_task("encoder"), dict(result=tmp_path / "f.json", methods=("attention",))
    whole, _ = corpus_fidelity(loaded, TEXTS, **run, written=lambda *_: None)
    assert list(tmp_path.glob("*.partial")) == []

    def stop(share):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        corpus_fidelity(loaded, TEXTS, **run, progress=stop)
    computed, plain = [], corpus.text_fidelity
    monkeypatch.setattr(corpus, "text_fidelity", lambda *args, **told: computed.append(1) or plain(*args, **told))
    again, _ = corpus_fidelity(loaded, TEXTS, **run)
    assert len(computed) == 2
    assert [row.mean for row in again.rows] == pytest.approx([row.mean for row in whole.rows], abs=1e-6)


def test_no_text_that_is_long_enough_is_refused(tmp_path):
    with pytest.raises(HeadscopeError, match="longer texts"):
        corpus_fidelity(of_task("encoder"), ["it", " "], result=tmp_path / "f.json")


def test_the_command_writes_a_file_and_shows_the_table(tmp_path, capsys):
    (tmp_path / "texts.txt").write_text("The cat sat on the old mat.\nIt was raining in the street.\nNo.\n")
    out = tmp_path / "fidelity.json"
    words = [
        "fidelity",
        "--model",
        "minilm",
        "--data",
        str(tmp_path / "texts.txt"),
        "--device",
        "cpu",
        "--json",
        str(out),
    ]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "over 2 texts" in said
    assert "value zeroing rollout" in said
    assert json.loads(out.read_text())["command"] == (
        "python -m model fidelity --model minilm --data texts.txt --json fidelity.json"
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--limit", "0", "--json", "f.json"], "--limit is at least 1"),
        (["--json", "f.txt"], "ending .json"),
        (["--json", "f.json", "--parquet", "f.csv"], "ending .parquet"),
        (["--json", "f.json"], "missing.txt"),
    ],
)
def test_what_a_user_can_mend_is_one_sentence(words, message, capsys):
    assert main(["fidelity", "--data", "missing.txt", *words]) == 2
    assert message in capsys.readouterr().err
