"""Scores of a coreference set: each example's attention, and runs that are stopped and gone on with."""

import dataclasses

import pytest

from model import HeadscopeError, record
from model.analysis.coreference import candidate_attention
from model.coreference_benchmark import benchmark_coreference
from model.coreference_records import CoreferenceResults
from model.coreference_scores import score_set, scores_beside
from model.coreference_sets import CoreferenceExample, CoreferenceSet
from model.partial_scores import PartialScores
from tests.tiny_tokenizers import tiny_bert_for


def real_set(count: int = 12) -> CoreferenceSet:
    """Return sentences of three lengths for the tiny model, whose words stand in other places in each."""
    examples = []
    for number in range(count):
        before = "the " * (number % 3)
        text = f"{before}animal cross street; it rains"
        spans = [(text.index(word), text.index(word) + len(word)) for word in ("animal", "street", "it rains")]
        mention = (spans[2][0], spans[2][0] + 2)
        groups = {"stereotype": ("pro", "anti")[number // 2 % 2]}
        examples.append(
            CoreferenceExample(f"e{number}", text, mention, tuple(spans[:2]), number % 2, f"c{number // 4}", groups)
        )
    return CoreferenceSet("winobias", tuple(examples), {"the other occupation was not found": 1})


def without_time(results: CoreferenceResults) -> CoreferenceResults:
    return dataclasses.replace(results, runs=())


@pytest.mark.parametrize("direction", ["from mention", "to mention"])
def test_scores_are_the_attention_of_each_example(direction):
    loaded, data = tiny_bert_for("word piece"), real_set()
    found = score_set(loaded, data, direction=direction)
    assert found.examples == data.examples
    assert found.layers == (0, 1, 2)
    for one, scores in zip(found.examples, found.scores, strict=True):
        alone = candidate_attention(record(loaded, one.text), one.mention, one.candidates, direction=direction)
        assert scores == pytest.approx(alone.scores, abs=1e-6)


def test_what_the_model_cannot_read_is_left_out_and_counted():
    loaded, data = tiny_bert_for("word piece"), real_set()
    long = dataclasses.replace(data.examples[0], identifier="long", text=data.examples[0].text + " the" * 80)
    beside = dataclasses.replace(data.examples[0], identifier="beside", mention=(500, 502))
    shares = []
    blank = dataclasses.replace(data.examples[0], identifier="blank", text="  ")
    more = dataclasses.replace(data, examples=(long, *data.examples, beside, blank))
    found = score_set(loaded, more, progress=shares.append)
    assert found.examples == data.examples
    assert found.left_out == {
        "the other occupation was not found": 1,
        "too long for the model": 1,
        "not run by the model": 1,
        "mention or candidates not found in the tokens": 1,
    }
    assert shares == sorted(shares)
    assert shares[-1] == 1
    with pytest.raises(HeadscopeError, match=r"No example could be scored. The text has \d+ tokens"):
        score_set(loaded, dataclasses.replace(data, examples=(long,)))


class Stopped(Exception):
    pass


@pytest.fixture
def counted(monkeypatch):
    """The texts that were run, one entry per trace that was yielded."""
    import model.coreference_scores as module

    run, real = [], module.record_batches

    def counting(loaded, texts, **options):
        for place, trace in real(loaded, texts, batch_tokens=30, **options):
            run.append(texts[place])
            yield place, trace

    monkeypatch.setattr(module, "record_batches", counting)
    return run


def stop_after(share: float):
    def progress(done: float) -> None:
        if done > share:
            raise Stopped

    return progress


def test_a_stopped_run_goes_on_where_it_was(tmp_path, counted):
    loaded, data, out = tiny_bert_for("word piece"), real_set(), tmp_path / "out.json"
    whole = benchmark_coreference(loaded, data)
    assert len(counted) == 12
    counted.clear()
    with pytest.raises(Stopped):
        benchmark_coreference(loaded, data, partial=scores_beside(out, loaded, data), progress=stop_after(0.5))
    kept = len(counted)
    assert 0 < kept < 12
    [path] = tmp_path.iterdir()
    # A kill in the middle of a write: half of the last line is missing.
    content = path.read_bytes()
    path.write_bytes(content[:-40])
    partial = scores_beside(out, loaded, data)
    assert len(partial.kept) == kept - 1
    shares = []
    resumed = benchmark_coreference(loaded, data, partial=partial, progress=shares.append)
    # The one that was cut is run again, and none of the others.
    assert len(counted) == 12 + 1
    assert min(shares) >= (kept - 1) / 12
    assert resumed.sets.keys() == whole.sets.keys()
    for name, found in resumed.sets.items():
        assert found == whole.sets[name]
    assert without_time(resumed) == without_time(whole)
    assert resumed.runs[0].seconds > sum(scores.seconds for scores in partial.kept.values()) * 0.99
    # All is kept: nothing is run, and the result is the same once more.
    counted.clear()
    again = benchmark_coreference(loaded, data, partial=scores_beside(out, loaded, data))
    assert (counted, without_time(again)) == ([], without_time(whole))
    scores_beside(out, loaded, data).remove()
    assert list(tmp_path.iterdir()) == []


def test_kept_scores_are_of_this_model_data_and_direction_only(tmp_path, counted):
    loaded, data, out = tiny_bert_for("word piece"), real_set(), tmp_path / "out.json"
    score_set(loaded, data, partial=scores_beside(out, loaded, data))
    assert len(scores_beside(out, loaded, data).kept) == 12
    assert scores_beside(out, loaded, data, restart=True).kept == {}
    assert scores_beside(out, loaded, data, direction="to mention").kept == {}
    fewer = dataclasses.replace(data, examples=data.examples[1:])
    assert scores_beside(out, loaded, fewer).kept == {}
    other = dataclasses.replace(loaded, revision="other")
    assert scores_beside(out, other, data).kept == {}
    weight = next(loaded.model.parameters())
    weight.data.mul_(2)
    try:
        assert scores_beside(out, loaded, data).kept == {}
    finally:
        weight.data.div_(2)
    assert len(scores_beside(out, loaded, data).kept) == 12


@pytest.mark.parametrize(
    "content",
    [b"", b"no json\n", b"{}\n", b"\xff\xfe\n", b'{"format":"headscope partial scores 1","fingerprint":"abc"}\nno\n'],
)
def test_a_kept_file_that_is_broken_counts_as_empty(tmp_path, content):
    (tmp_path / "out.json.abc.partial").write_bytes(content)
    with PartialScores(tmp_path / "out.json", "abc") as partial:
        assert partial.kept == {}
    assert PartialScores(tmp_path / "out.json", "abc").kept == {}
    with pytest.raises(HeadscopeError, match="cannot be written to"), PartialScores(tmp_path / "no" / "a.json", "abc"):
        pass
