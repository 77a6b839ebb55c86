"""The store of computed values: bounded, least recently used first out, and made once however many ask."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from app.bounded_store import BoundedStore

WAIT = 20


@dataclass(eq=False)
class Value:
    nbytes: int


class Counting:
    """A maker that counts its calls, waits for `gate` and then returns a value or raises `error`."""

    def __init__(self, error: BaseException | None = None, gate: threading.Event | None = None, nbytes: int = 1):
        self.calls, self.error, self.gate, self.nbytes = 0, error, gate, nbytes
        self.started = threading.Event()

    def __call__(self):
        self.calls += 1
        self.started.set()
        if self.gate is not None:
            assert self.gate.wait(WAIT)
        if self.error is not None:
            raise self.error
        return Value(self.nbytes)


def kept(store: BoundedStore, keys: str) -> str:
    """Return the keys that are still kept, without changing which were used last: a kept one is not made again."""
    return "".join(key for key in keys if key in store._values)


def fill(store: BoundedStore, keys: str, nbytes: int = 10) -> None:
    for key in keys:
        store.get_or_make(key, Counting(nbytes=nbytes))


def test_a_value_is_made_once_and_given_again():
    store, make = BoundedStore(100), Counting()
    first = store.get_or_make("a", make)
    assert store.get_or_make("a", make) is first
    assert store.get_or_make("b", make) is not first
    assert make.calls == 2


def test_bytes_are_bounded_and_the_least_recently_used_goes_first():
    store = BoundedStore(30)
    fill(store, "abc")
    assert (kept(store, "abc"), store.nbytes) == ("abc", 30)
    store.get_or_make("a", Counting(error=AssertionError("made again")))
    fill(store, "d")
    assert (kept(store, "abcd"), store.nbytes) == ("acd", 30)
    fill(store, "e", nbytes=25)
    assert (kept(store, "abcde"), store.nbytes) == ("e", 25)


def test_entries_are_bounded():
    store = BoundedStore(1000, max_entries=2)
    fill(store, "abac")
    assert kept(store, "abc") == "ac"


def test_the_newest_stays_even_where_it_alone_is_over_the_bound():
    store = BoundedStore(30)
    fill(store, "ab")
    fill(store, "c", nbytes=500)
    assert (kept(store, "abc"), store.nbytes) == ("c", 500)
    fill(store, "d")
    assert (kept(store, "cd"), store.nbytes) == ("d", 10)


def test_bytes_count_by_their_length():
    store = BoundedStore(5)
    assert store.get_or_make("a", lambda: b"abc") == b"abc"
    assert store.nbytes == 3
    store.get_or_make("b", lambda: b"abc")
    assert kept(store, "ab") == "b"


def test_identical_requests_at_the_same_time_make_once():
    store, gate, barrier = BoundedStore(100), threading.Event(), threading.Barrier(9)
    make = Counting(gate=gate)

    def ask():
        barrier.wait(WAIT)
        return store.get_or_make("a", make)

    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(ask) for _ in range(8)]
        barrier.wait(WAIT)
        assert make.started.wait(WAIT)
        gate.set()
        found = {id(one.result(WAIT)) for one in asked}
    assert (make.calls, len(found)) == (1, 1)
    assert not store._making


def test_different_keys_do_not_wait_for_each_other():
    store, gate = BoundedStore(100), threading.Event()
    slow, quick = Counting(gate=gate), Counting()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(store.get_or_make, "slow", slow)
        assert slow.started.wait(WAIT)
        assert store.get_or_make("quick", quick) is store.get_or_make("quick", quick)
        assert store.nbytes == 1
        assert not waiting.done()
        gate.set()
        waiting.result(WAIT)
    assert (slow.calls, quick.calls) == (1, 1)


def test_one_value_may_be_made_from_another():
    store = BoundedStore(100)
    inner = Counting()
    found = store.get_or_make("outer", lambda: Value(store.get_or_make("inner", inner).nbytes + 1))
    assert (found.nbytes, store.nbytes, inner.calls) == (2, 3, 1)


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()])
def test_after_a_failure_the_next_request_tries_again(error):
    store = BoundedStore(100)
    with pytest.raises(type(error)):
        store.get_or_make("a", Counting(error=error))
    assert (store.nbytes, store._making) == (0, {})
    make = Counting()
    assert store.get_or_make("a", make) is store.get_or_make("a", make)
    assert make.calls == 1


def test_a_value_that_cannot_say_its_size_is_not_kept():
    store = BoundedStore(100)
    with pytest.raises(AttributeError):
        store.get_or_make("a", object)
    assert (store.nbytes, store._making) == (0, {})


def test_after_a_failure_one_of_those_who_wait_makes_and_a_newcomer_waits_for_it():
    store = BoundedStore(100)
    first_gate, second_gate = threading.Event(), threading.Event()
    failing, second, newcomer = Counting(ValueError("no"), first_gate), Counting(gate=second_gate), Counting()
    with ThreadPoolExecutor(3) as pool:
        fails = pool.submit(store.get_or_make, "a", failing)
        assert failing.started.wait(WAIT)
        waits = pool.submit(store.get_or_make, "a", second)
        # Until the second thread stands in the queue of this key.
        until(lambda: store._making["a"][1] == 2)
        first_gate.set()
        with pytest.raises(ValueError, match="no"):
            fails.result(WAIT)
        assert second.started.wait(WAIT)
        comes = pool.submit(store.get_or_make, "a", newcomer)
        assert not newcomer.started.wait(0.2)
        second_gate.set()
        assert comes.result(WAIT) is waits.result(WAIT)
    assert (failing.calls, second.calls, newcomer.calls) == (1, 1, 0)
    assert not store._making


def until(reached) -> None:
    deadline = threading.Event()
    for _ in range(WAIT * 100):
        if reached():
            return
        deadline.wait(0.01)
    raise AssertionError("not reached in time")


def test_many_threads_and_keys_leave_the_store_within_its_bounds():
    store = BoundedStore(50, max_entries=4)

    def ask(number: int) -> int:
        return store.get_or_make(number % 7, lambda: Value(10)).nbytes

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(ask, range(2000))) == {10}
    assert store.nbytes == 40
    assert not store._making


def test_values_that_do_not_know_their_size_are_counted_too():
    store, made = BoundedStore(max_bytes=10), []

    def value(name: str):
        made.append(name)
        return [name]

    for name in ("a", "b", "a", "c", "a"):
        assert store.get_or_make_sized(name, lambda name=name: value(name), len) == [name]
    assert made == ["a", "b", "c"]
    assert store.nbytes == 3
    for name in ("d", "e"):
        store.get_or_make_sized(name, lambda name=name: value(name), lambda _value: 6)
    assert store.nbytes == 6
