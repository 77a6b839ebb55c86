"""Files of coreference results: what is written reads back, what is broken is refused, and what ships can be made again."""

import dataclasses
import json
from pathlib import Path

import pandas as pd
import pytest

from model import HeadscopeError, load_model
from model.coreference_benchmark import benchmark_coreference
from model.coreference_results import merge_results, read_results, shipped_results, write_json, write_parquet
from model.coreference_sets import read_set
from tests.test_coreference_benchmark import complete

ROOT = Path(__file__).parent.parent


def test_files_read_back(tmp_path):
    results = complete()
    write_json(results, tmp_path / "a.json")
    again = read_results(tmp_path / "a.json")
    assert again == results
    assert len((tmp_path / "a.json").read_text().splitlines()) > 3
    write_parquet(results, tmp_path / "a.parquet")
    table = pd.read_parquet(tmp_path / "a.parquet")
    assert table["name"].tolist() == ["L3 H0", "L3 H1", "L5 H0"]
    assert table["accuracy"].tolist() == [7 / 8, 4 / 8, 6 / 8]
    assert table["chosen_on_first_half"].sum() == 1
    assert table["accuracy_gender_masculine"].tolist() == [3 / 4, 1, 3 / 4]
    assert (table["gap"].tolist(), table["set"].unique().tolist()) == ([1 / 4, 0, 1 / 2], ["winobias"])
    assert {entry.name for entry in tmp_path.iterdir()} == {"a.json", "a.parquet"}


def test_results_of_several_sets_become_one(tmp_path):
    merged = merge_results([complete(), complete(name="gap", seconds=2.5)])
    assert list(merged.sets) == ["winobias", "gap"]
    assert [run.seconds for run in merged.runs] == [1.25, 2.5]
    for parts, message in (
        ([complete(), complete()], "same set"),
        ([complete(), dataclasses.replace(complete(name="gap"), revision="other")], "different models"),
        ([], "nothing to merge"),
    ):
        with pytest.raises(HeadscopeError, match=message):
            merge_results(parts)
    with pytest.raises(HeadscopeError, match="could not be written"):
        write_json(merged, tmp_path / "nowhere" / "a.json")


def changed(plain: dict, path: str, value):
    *way, last = path.split("/")
    for name in way:
        plain = plain[int(name) if isinstance(plain, list) else name]
    if value is None:
        del plain[last]
    else:
        plain[last] = value


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("format", "headscope coreference results 9", "its format is not"),
        ("model", 3, "the file, model is not text"),
        ("sets", {}, "it holds no set"),
        ("sets/winobias/n", 1.5, "winobias, n is not a whole number"),
        ("sets/winobias/n", True, "winobias, n is not a whole number"),
        ("sets/winobias/heads", [], "heads of “winobias” are not one line each"),
        ("sets/winobias/heads/0/layer", 5, "heads of “winobias” are not one line each"),
        ("sets/winobias/heads/0/head", -1, "heads of “winobias” are not one line each"),
        ("sets/winobias/heads/0/accuracy", 1.5, "out of its bounds"),
        ("sets/winobias/heads/0/interval", [0.9, 0.1], "out of its bounds"),
        ("sets/winobias/heads/0/interval", [0.9], "is not a list of 2"),
        ("sets/winobias/held_out/by_group/gender/feminine/accuracy", -1, "out of its bounds"),
        ("sets/winobias/heads/0/accuracy", "1", "accuracy is not a number"),
        ("sets/winobias/heads/0/accuracy", None, "has no field “accuracy”"),
        ("sets/winobias/heads/0/more", 1, "has the unknown field “more”"),
        ("sets/winobias/baselines", [], "baselines is not a table"),
        ("runs", {}, "runs is not a list"),
    ],
)
def test_a_broken_file_is_refused_with_a_sentence(tmp_path, path, value, message):
    write_json(complete(), tmp_path / "a.json")
    plain = json.loads((tmp_path / "a.json").read_text())
    changed(plain, path, value)
    (tmp_path / "a.json").write_text(json.dumps(plain))
    with pytest.raises(HeadscopeError, match=message):
        read_results(tmp_path / "a.json")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "3", '{"format":"headscope coreference results 1"}', "[" * 100_000, "NaN"]
)
def test_another_file_is_refused_with_a_sentence(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(HeadscopeError, match="holds no coreference results"):
        read_results(tmp_path / "a.json")
    with pytest.raises(HeadscopeError, match="There is no file"):
        read_results(tmp_path / "b.json")


def test_the_shipped_results_are_small_whole_and_those_of_the_card():
    results = shipped_results("minilm")
    folder = ROOT / "model" / "results" / "coreference"
    assert sum(path.stat().st_size for path in folder.iterdir()) < 400_000
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert {run.set for run in results.runs} == {"winogender", "winobias", "gap"}
    for found in results.sets.values():
        assert len(found.heads) == 72
        head = found.held_out
        low, high = head.interval
        baselines = [f"{head.baselines[name].accuracy:.3f}" for name in ("nearest", "first", "random")]
        row = [
            f"{found.n:,}, {found.clusters:,}",
            head.name,
            f"{head.accuracy:.3f} [{low:.3f}, {high:.3f}]",
            *baselines,
        ]
        assert f"| {' | '.join(row)} |" in card
    table = pd.read_parquet(folder / "minilm.parquet")
    assert len(table) == 5 * 72
    accuracies = [head.accuracy for found in results.sets.values() for head in found.heads]
    assert table["accuracy"].tolist() == pytest.approx(accuracies, abs=1e-6)
    assert shipped_results("../coreference/minilm") is None


def test_the_shipped_results_come_out_again():
    data = ROOT.parent / "shared" / "data" / "winogender"
    if not data.is_dir():
        pytest.skip("The corpus is not here: put winogender into shared/data beside the project.")
    found = benchmark_coreference(load_model("minilm"), read_set("winogender", data)).sets["winogender"]
    shipped = shipped_results("minilm").sets["winogender"]
    assert found.held_out.name == shipped.held_out.name
    # Devices round differently, which may turn a sentence or two of the 720.
    for head, before in zip(found.heads, shipped.heads, strict=True):
        assert head.name == before.name
        assert head.accuracy == pytest.approx(before.accuracy, abs=0.005)
        assert head.interval == pytest.approx(before.interval, abs=0.01)
