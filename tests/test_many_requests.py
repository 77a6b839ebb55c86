"""Memory after many requests of several visitors: what is held is what the bounded stores hold, and nothing else grows."""

import gc

import pytest
import torch

from app import cache
from benchmarks import memory
from model.trace import Trace

FIRST, ALL = 20, 60


@pytest.fixture
def bounded(monkeypatch):
    """Stores that some dozen sentences fill, empty before and after."""
    for store, most in ((cache.runs(), memory.RUN_BYTES), (cache.pictures(), memory.PICTURE_BYTES)):
        store.clear()
        monkeypatch.setattr(store, "max_bytes", most)
    yield
    cache.runs().clear()
    cache.pictures().clear()


def held() -> tuple[int, int]:
    """Return how many traces this process holds, and the bytes of its tensors."""
    gc.collect()
    found = gc.get_objects()
    storages = {
        tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes()
        for tensor in found
        if type(tensor) in (torch.Tensor, torch.nn.Parameter)
    }
    return sum(type(one) is Trace for one in found), sum(storages.values())


def test_after_many_requests_no_more_is_held_than_after_the_first(bounded):
    texts = memory.sentences(ALL)
    assert len(set(texts)) == ALL
    before = held()[0]
    memory.serve(texts[:FIRST])
    traces, nbytes = held()
    assert memory.RUN_BYTES / 2 < cache.runs().nbytes <= memory.RUN_BYTES
    assert traces - before == len(cache.runs()._values) < FIRST
    memory.serve(texts[FIRST:])
    later_traces, later_nbytes = held()
    assert later_traces - before == len(cache.runs()._values)
    assert later_nbytes < 1.1 * nbytes
    assert cache.runs().nbytes <= memory.RUN_BYTES
    assert cache.pictures().nbytes <= memory.PICTURE_BYTES
    assert not cache.runs()._making
    assert not cache.pictures()._making


def test_the_resident_memory_is_that_of_this_process():
    before = memory.resident_bytes()
    block = torch.ones(50_000_000, dtype=torch.uint8)
    grown = memory.resident_bytes() - before
    assert 40e6 < grown < 120e6
    del block
    assert memory.resident_bytes() - before < 30e6
