"""A study on a local Ray of two workers, of which one is killed in the middle."""

import threading
import time

import numpy as np
import psutil
import pytest

from model import load_model
from model.errors import HeadscopeError
from model.study.moments import StudyMoments
from model.study.ray_chunks import _packed, _unpacked, in_order, ray_chunks, worker_model
from model.study.running import study_corpus
from model.study.survey import pieces
from tests.test_study import NUMBERS
from tests.tiny_studies import annotated_corpus, tiny_loaded

pytest.importorskip("ray", reason="Ray is optional: pip install -r requirements-ray.txt")


def kill_a_worker(killed: list[int]) -> None:
    """Kill the first worker of Ray below this process that is found at work on a chunk: its title says so."""
    until = time.monotonic() + 120
    while time.monotonic() < until and not killed:
        for process in psutil.Process().children(recursive=True):
            try:
                title = " ".join(process.cmdline()[:1])
                if "ChunkWorker" in title and title.endswith(".submit"):
                    process.kill()
                    killed.append(process.pid)
                    return
            except psutil.Error:
                continue
        time.sleep(0.02)


@pytest.mark.timeout(300)
def test_a_study_on_ray_equals_the_local_one_though_a_worker_is_killed(tmp_path):
    made = tiny_loaded()
    folder = tmp_path / "tiny"
    made.model.save_pretrained(folder)
    made.tokenizer.save_pretrained(folder)
    loaded = load_model(str(folder), device="cpu")
    # Chunks of a quarter of a second, so that a worker is met at work on a busy machine too.
    corpus, killed = annotated_corpus(tmp_path, 1200), []
    local = study_corpus(loaded, corpus, chunk=240)
    killer = threading.Thread(target=kill_a_worker, args=(killed,), daemon=True)

    run = ray_chunks(worker_model(loaded, str(folder)), workers=2)
    killer.start()
    found = study_corpus(loaded, corpus, chunk=240, run_chunks=run)
    killer.join()
    assert killed, "no worker was found to be killed"
    assert found.run["texts"] == local.run["texts"] == 2400
    np.testing.assert_allclose(found.frame[NUMBERS], local.frame[NUMBERS], atol=1e-6, rtol=0, equal_nan=True)


def test_chunks_come_once_and_in_order_whatever_ray_gives_back():
    given = [(number, StudyMoments(texts=place), 0.0) for place, number in enumerate([4, 3, 5, 3, 4, 6])]
    found = list(in_order(given, [3, 4, 5, 6]))
    assert [(number, moments.texts) for number, moments, _ in found] == [(3, 1), (4, 0), (5, 2), (6, 5)]


def test_texts_go_to_workers_and_back_as_they_are(tmp_path):
    texts = next(pieces(annotated_corpus(tmp_path, 2), None, None, 10))
    assert _unpacked(_packed(texts)) == texts


def test_a_cluster_that_is_not_there_is_said(tmp_path):
    with pytest.raises(HeadscopeError, match="at least one worker"):
        ray_chunks(worker_model(tiny_loaded(), "tiny"), workers=0)
