"""The fair lock: turns go round between requesters, one who waits knows its place and may leave, and nobody is forgotten."""

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from model.fair_lock import FairLock, holds_a_lock
from model.waiting import Place, requester, tell_place, waiting_as
from tests.waiting_threads import Waiting, until

WAIT = 20


class Left(BaseException):
    """Raised by one who waits no longer; no Exception, as what Streamlit raises is none."""


@pytest.mark.parametrize(
    ("asked", "turns"),
    [
        ("abc", "abc"),
        # One requester with many requests has one turn in a round.
        ("aaab", "abaa"),
        ("aaabbc", "abcaba"),
        ("abbba", "ababb"),
        ("aabbcc", "abcabc"),
    ],
)
def test_turns_go_round_between_requesters_in_the_order_of_asking(asked, turns):
    lock, order = FairLock(), []
    with lock:
        waiting = [Waiting(lock, f"{name}{place}", order) for place, name in enumerate(asked)]
    for one in waiting:
        one.thread.join(WAIT)
    assert "".join(name[0] for name in order) == turns
    # Of one requester, who asked first is first.
    assert all(
        [one for one in order if one[0] == name] == sorted(one for one in order if one[0] == name) for name in asked
    )


def test_places_count_the_turns_that_come_before():
    lock, order = FairLock(), []
    with lock:
        waiting = [Waiting(lock, name, order) for name in "aaabbc"]
        until(lambda: all(one.places for one in waiting))
        # The order of turns is a b c a b a, and one runs now.
        assert [one.places[-1].before for one in waiting] == [1, 4, 6, 2, 5, 3]
    for one in waiting:
        one.thread.join(WAIT)
        assert one.places[-1] == Place(0)
        befores = [place.before for place in one.places]
        assert befores == sorted(befores, reverse=True)


@pytest.mark.parametrize("who", range(4))
def test_one_who_leaves_takes_nobodys_turn(who):
    lock, order = FairLock(), []
    with lock:
        waiting = [Waiting(lock, name, order) for name in "abab"]
        waiting[who].leave(Left())
        waiting[who].thread.join(WAIT)
        assert isinstance(waiting[who].error, Left)
    for one in waiting:
        one.thread.join(WAIT)
    assert len(order) == 3
    assert lock.acquire(blocking=False)
    lock.release()


def test_one_who_refuses_its_turn_passes_it_on():
    lock, order = FairLock(), []

    def refuse(place: Place) -> None:
        if place == Place(0):
            raise Left

    with lock:
        after = Waiting(lock, "a", order, on_place=refuse), Waiting(lock, "b", order)
    for one in after:
        one.thread.join(WAIT)
    assert isinstance(after[0].error, Left)
    assert order == ["b"]
    # Nobody waits, and the turn is refused all the same.
    with waiting_as("a", refuse), pytest.raises(Left):
        lock.acquire()
    assert not holds_a_lock()
    assert lock.acquire(blocking=False)
    lock.release()


def test_the_lock_is_reentrant_and_says_so_once():
    lock, places = FairLock(), []
    with waiting_as("a", places.append), lock, lock:
        assert lock.acquire(blocking=False)
        lock.release()
        assert holds_a_lock()
        with ThreadPoolExecutor(1) as pool:
            assert not pool.submit(lock.acquire, blocking=False).result(WAIT)
            assert not pool.submit(holds_a_lock).result(WAIT)
    assert places == [Place(0)]
    assert not holds_a_lock()


def test_who_does_not_hold_it_cannot_give_it_back():
    lock = FairLock()
    with pytest.raises(RuntimeError, match="does not hold"):
        lock.release()
    with lock, ThreadPoolExecutor(1) as pool, pytest.raises(RuntimeError, match="does not hold"):
        pool.submit(lock.release).result(WAIT)


def test_an_error_inside_gives_the_lock_back():
    lock = FairLock()
    with pytest.raises(ValueError, match="no"), lock, lock:
        raise ValueError("no")
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(lock.acquire, blocking=False).result(WAIT)


def test_nobody_starves_beside_one_who_asks_all_the_time():
    lock, stop, greedy = FairLock(), threading.Event(), [0]

    def ask_all_the_time() -> None:
        with waiting_as("greedy", None):
            while not stop.is_set():
                with lock:
                    greedy[0] += 1
                    time.sleep(0.002)

    with ThreadPoolExecutor(9) as pool:
        asking = [pool.submit(ask_all_the_time) for _ in range(8)]
        until(lambda: greedy[0] > 20)
        for _ in range(10):
            before = greedy[0]
            with waiting_as("modest", None), lock:
                # The one that held the lock, and at most the one whose turn came before this was asked.
                assert greedy[0] - before <= 2
        stop.set()
        for one in asking:
            one.result(WAIT)


def test_many_threads_that_come_and_leave_lose_no_turn():
    lock, inside, held = FairLock(), [], [0]
    lucky = random.Random(7)
    plans = [[lucky.random() for _ in range(60)] for _ in range(12)]

    def visit(number: int) -> int:
        had = 0
        for chance in plans[number]:

            def leave(_place: Place, chance=chance) -> None:
                if chance < 0.3:
                    raise Left

            try:
                with waiting_as(number % 5, leave), lock:
                    inside.append(number)
                    assert inside == [number]
                    held[0] += 1
                    had += 1
                    if chance > 0.9:
                        time.sleep(0.001)
                    inside.remove(number)
            except Left:
                continue
        return had

    with ThreadPoolExecutor(12) as pool:
        had = list(pool.map(visit, range(12)))
    assert sum(had) == held[0]
    assert had == [sum(chance >= 0.3 for chance in plan) for plan in plans]
    assert not lock._queues
    assert lock.acquire(blocking=False)
    lock.release()


def test_without_a_name_every_thread_counts_as_one():
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(requester).result(WAIT) != requester()
    with waiting_as("a", None):
        assert requester() == "a"
        with waiting_as("b", None):
            assert requester() == "b"
        assert requester() == "a"
    tell_place(Place(3))
