"""The store of computed values: bounded, least recently used first out, and made once however many ask."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from app import making
from app.bounded_store import BoundedStore
from model.fair_lock import FairLock
from model.waiting import Place, waiting_as

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


def waiting_for(one: making.Making) -> list[int]:
    """Return the threads that wait for a making."""
    return [thread for thread, waited in list(making._waiting.items()) if waited is one]


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
        until(lambda: len(waiting_for(store._making["a"])) == 1)
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


def test_whoever_waits_hears_how_far_the_maker_is_and_may_stop_waiting():
    store, gate, told = BoundedStore(100), threading.Event(), []

    def make():
        making.tell_those_who_wait(0.25, "Running the model")
        assert gate.wait(WAIT)
        return Value(1)

    class Left(BaseException):
        pass

    def leave(place: Place) -> None:
        told.append(place)
        raise Left

    with ThreadPoolExecutor(2) as pool:
        maker = pool.submit(store.get_or_make, "a", make)
        until(lambda: "a" in store._making and store._making["a"].share)
        with waiting_as("other", leave), pytest.raises(Left):
            store.get_or_make("a", Counting())
        assert not waiting_for(store._making["a"])
        gate.set()
        assert store.get_or_make("a", Counting()) is maker.result(WAIT)
    assert told == [Place(1, 0.25, "Running the model")]


def test_what_is_made_inside_tells_those_who_wait_for_either():
    store, gate = BoundedStore(100), threading.Event()

    def inner():
        making.tell_those_who_wait(0.5, "inside")
        assert gate.wait(WAIT)
        return Value(1)

    with ThreadPoolExecutor(1) as pool:
        outer = pool.submit(store.get_or_make, "outer", lambda: Value(store.get_or_make("inner", inner).nbytes))
        until(lambda: "inner" in store._making and store._making["inner"].share)
        assert (store._making["outer"].share, store._making["outer"].doing) == (0.5, "inside")
        gate.set()
        outer.result(WAIT)
    making.tell_those_who_wait(1.0, "nobody waits")


def test_when_the_maker_is_cancelled_the_next_one_makes_it():
    store, gate = BoundedStore(100), threading.Event()

    class Stopped(BaseException):
        pass

    cancelled, makes = Counting(Stopped(), gate), Counting()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(store.get_or_make, "a", cancelled)
        assert cancelled.started.wait(WAIT)
        second = pool.submit(store.get_or_make, "a", makes)
        until(lambda: waiting_for(store._making["a"]))
        gate.set()
        assert isinstance(first.exception(WAIT), Stopped)
        assert second.result(WAIT).nbytes == 1
    assert (makes.calls, store._making) == (1, {})


def test_one_who_holds_a_model_never_waits_for_a_maker_that_wants_it():
    store, lock, asked = BoundedStore(100), FairLock(), threading.Event()

    def make_with_the_model():
        asked.set()
        with lock:
            return Value(2)

    with ThreadPoolExecutor(1) as pool, lock:
        maker = pool.submit(store.get_or_make, "a", make_with_the_model)
        assert asked.wait(WAIT)
        own = Counting(nbytes=3)
        assert store.get_or_make("a", own).nbytes == 3
        assert own.calls == 1
    assert maker.result(WAIT).nbytes == 2
    assert not store._making


def test_values_that_are_made_of_each_other_do_not_wait_for_ever():
    store, barrier = BoundedStore(100), threading.Barrier(2)

    def made_of(other: str):
        def make():
            barrier.wait(WAIT)
            return Value(1 + store.get_or_make(other, lambda: Value(10)).nbytes)

        return make

    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(store.get_or_make, *pair) for pair in (("a", made_of("b")), ("b", made_of("a")))]
        assert {one.result(WAIT).nbytes for one in both} <= {11, 12}
    assert not store._making
    assert not making._waiting


def test_also_where_both_look_at_the_same_moment(monkeypatch):
    store, barrier, looked = BoundedStore(100), threading.Barrier(2), set()

    def looks_too_early(one: making.Making) -> bool:
        first = threading.get_ident() not in looked
        looked.add(threading.get_ident())
        return not first and making.waits_for_itself(one)

    monkeypatch.setattr("app.bounded_store.waits_for_itself", looks_too_early)

    def made_of(other: str):
        def make():
            barrier.wait(WAIT)
            return Value(1 + store.get_or_make(other, lambda: Value(10)).nbytes)

        return make

    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(store.get_or_make, *pair) for pair in (("a", made_of("b")), ("b", made_of("a")))]
        assert {one.result(WAIT).nbytes for one in both} <= {11, 12}
    assert not making._waiting


def test_bytes_are_counted_where_values_are_replaced_and_let_go():
    store = BoundedStore(100)
    store.put("a", Value(30))
    store.put("a", Value(5))
    store.put("b", b"1234")
    assert store.nbytes == 9
    store.clear()
    assert (store.nbytes, store.get("a")) == (0, None)


def test_the_store_is_free_while_a_value_is_made():
    store, gate = BoundedStore(100), threading.Event()
    slow = Counting(gate=gate)
    with ThreadPoolExecutor(1) as pool:
        maker = pool.submit(store.get_or_make, "slow", slow)
        assert slow.started.wait(WAIT)
        started = time.monotonic()
        store.put("b", Value(1))
        assert store.get("b").nbytes == store.nbytes == 1
        assert time.monotonic() - started < 1
        gate.set()
        maker.result(WAIT)
