"""Reading weights tells how far it is, and can be stopped; other readers of the process are left alone."""

import gc
import threading

import pytest
import transformers as t
from transformers.utils import logging as transformers_logging

from model import load_model
from tests.tiny_models import tiny
from tests.tiny_tokenizers import trained

WEIGHTS = len(tiny("bert").state_dict())


@pytest.fixture
def folder(tmp_path):
    tiny("bert").save_pretrained(tmp_path)
    trained("word piece").save_pretrained(tmp_path)
    return str(tmp_path)


def hook():
    before = transformers_logging.set_tqdm_hook(None)
    transformers_logging.set_tqdm_hook(before)
    return before


def test_every_weight_is_a_step_of_the_progress(folder, capfd):
    told = []
    load_model(folder, device="cpu", progress=lambda *step: told.append(step))
    shares = [share for share, doing in told if doing == "Reading weights"]
    assert len(set(shares)) == len(shares) == WEIGHTS + 1
    assert shares == sorted(shares)
    # Nothing was downloaded, so that reading is nearly all there is to do.
    assert (shares[0], shares[-1]) == (0.0, pytest.approx(0.95))
    assert told[-1] == (1.0, "Ready")
    assert "Loading weights" not in capfd.readouterr().err
    assert hook() is None


class Left(BaseException):
    """As Streamlit's own stop of a run, this is no Exception."""


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, Left])
@pytest.mark.parametrize("at", ["Looking for the model", "Reading weights", "Moving to cpu", "Ready"])
def test_what_progress_raises_stops_the_load_and_leaves_nothing(folder, kind, at):
    def models():
        gc.collect()
        return sum(type(thing) is t.BertModel for thing in gc.get_objects())

    seen, before = [], models()

    def stop(share, doing):
        seen.append(share)
        if doing == at and (at != "Reading weights" or share > 0.4):
            raise kind("stop")

    with pytest.raises(kind, match="stop") as caught:
        load_model(folder, device="cpu", progress=stop)
    assert type(caught.value) is kind
    if at == "Reading weights":
        assert seen[-1] < 0.5
    del caught
    assert models() == before
    assert hook() is None
    assert load_model(folder, device="cpu").warnings == ()


def test_two_models_at_once_tell_each_their_own_progress(folder):
    told = {name: [] for name in "ab"}
    met = threading.Barrier(2)

    def load(name):
        def note(share, doing):
            if doing == "Looking for the model":
                met.wait(10)
            told[name].append((share, threading.current_thread().name))

        load_model(folder, device="cpu", progress=note)

    threads = [threading.Thread(target=load, args=(name,), name=name) for name in told]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for name, steps in told.items():
        assert {thread for _, thread in steps} == {name}
        shares = [share for share, _ in steps]
        assert shares == sorted(shares)
        assert len(set(shares)) >= WEIGHTS


def test_a_model_that_somebody_else_reads_meanwhile_is_not_told(folder):
    counts = []

    def note(_share, doing):
        if doing == "Reading weights" and not counts:
            thread = threading.Thread(target=t.BertModel.from_pretrained, args=(folder,))
            thread.start()
            thread.join(60)
        counts.append(doing)

    load_model(folder, device="cpu", progress=note)
    assert counts.count("Reading weights") == WEIGHTS + 1
