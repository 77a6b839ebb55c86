"""Files gone wrong: cut, flipped and made-up ones from a good one, and what must become of reading them."""

import json
import re
from collections.abc import Callable
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from model.errors import HeadscopeError

DEEP = "[" * 100_000
_SENTENCE = re.compile(r"[^\n]{1,1500}[.?!”)]", re.DOTALL)
# What stands where a whole number, a name, a list or a table belongs.
HOSTILE_VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20),
    st.sampled_from([
        -1, 0, 2**31, 2**62, 2**64, -(10**30), 10**400, 1e308, float("nan"), float("inf"), "", "\ud800", "a\0b",
        "../../../etc/passwd", "/etc/passwd", "<script>alert(1)</script>", "NaN", "9" * 5000, "x" * 100_000, [], {}, [[]],
        [0, 1, 2, 3], {"": None}, [None] * 1000, {"__class__": "os.system"}, "encoder", "decoder", "cross", "lazy",
    ]),
)  # fmt: skip
_NUMBERS = st.sampled_from([b"\0" * 8, b"\xff" * 8, b"\xff" * 7 + b"\x7f", b"\x7f" + b"\xff" * 3, b"\1" + b"\0" * 7])


@st.composite
def mutated(draw: st.DrawFn, whole: bytes) -> bytes:
    """Return bytes like `whole`, but cut, flipped, overwritten, doubled or longer, once or several times."""
    content = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(0, len(content) - 1)))
        # Headers and indices stand at the ends, where a blind hit does the most.
        place = draw(st.sampled_from([place, min(place, place % 512), max(0, len(content) - 1 - place % 512)]))
        size = draw(st.integers(1, 64))
        match draw(st.sampled_from(["cut", "flip", "write", "number", "double", "remove", "swap", "append"])):
            case "cut":
                del content[place:]
            case "flip" if content:
                content[place] ^= 1 << draw(st.integers(0, 7))
            case "write":
                content[place : place + size] = draw(st.binary(min_size=1, max_size=size))
            case "number":
                number = draw(_NUMBERS)
                content[place : place + len(number)] = number
            case "double":
                content[place:place] = content[place : place + size]
            case "remove":
                del content[place : place + size]
            case "swap":
                content[place : place + size] = content[place : place + size][::-1]
            case _:
                content += draw(st.binary(max_size=size))
    return bytes(content)


@st.composite
def changed_json(draw: st.DrawFn, plain: Any) -> Any:
    """Return a copy of JSON data in which one or several values are hostile, missing, doubled or one too many."""
    plain = json.loads(json.dumps(plain))
    # Drawn values are copied: one that is changed again must not change what is drawn later, nor hold itself.
    for _ in range(draw(st.integers(1, 3))):
        within, key = _place(draw, plain)
        match draw(st.sampled_from(["value", "value", "value", "missing", "more", "swap"])):
            case "value":
                within[key] = deepcopy(draw(HOSTILE_VALUES))
            case "missing":
                del within[key]
            case "more" if isinstance(within, list):
                within.insert(0, deepcopy(draw(HOSTILE_VALUES)))
            case "more":
                within[draw(st.text(max_size=10))] = deepcopy(draw(HOSTILE_VALUES))
            case _:
                # A value that is right at another place.
                elsewhere, other = _place(draw, plain)
                within[key] = json.loads(json.dumps(elsewhere[other]))
    return plain


def _place(draw: st.DrawFn, plain: Any) -> tuple[Any, Any]:
    within, key = {"": plain}, ""
    while isinstance(within[key], dict | list) and within[key] and draw(st.integers(0, 5)):
        within = within[key]
        key = (
            draw(st.sampled_from(sorted(within))) if isinstance(within, dict) else draw(st.integers(0, len(within) - 1))
        )
    if within == {"": plain} and isinstance(plain, dict) and plain:
        within, key = plain, draw(st.sampled_from(sorted(plain)))
    return within, key


def read_or_refused(read: Callable[[], Any]) -> Any:
    """Return what `read` returns, or the error where it refuses with one sentence; anything else it raises fails the test."""
    try:
        return read()
    except HeadscopeError as error:
        refusal = error
    assert _SENTENCE.fullmatch(str(refusal)), f"no sentence: {str(refusal)[:500]!r}"
    assert "Traceback" not in str(refusal)
    return refusal


@contextmanager
def bounded_memory(megabytes: int):
    """Fail where the block takes more memory than this beyond what the process has, at any one time (Linux)."""
    status = Path("/proc/self/status")
    if not status.exists():
        yield
        return
    try:
        # Sets the highest use so far back to the present one.
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        pytest.skip("the highest use of memory cannot be set back here")
    before = _kilobytes(status, "VmRSS")
    yield
    grown = (_kilobytes(status, "VmHWM") - before) / 1000
    assert grown < megabytes, f"{grown:.0f} MB were taken"


def _kilobytes(status: Path, name: str) -> int:
    return int(re.search(rf"{name}:\s+(\d+) kB", status.read_text())[1])


@pytest.fixture
def quiet(monkeypatch, caplog):
    """Without the checks of types that run only in tests; nothing may be logged as an error."""
    import jaxtyping

    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    yield
    assert [record.getMessage() for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")] == []
