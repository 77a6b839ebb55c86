"""What ways cost: times that they take in turns, and memory that one takes above what was there before it.

Only the standard library is needed, and torch where it is already imported, so that a peer's own interpreter can use it too.
"""

import ctypes
import gc
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

Work = Callable[[], object]


@dataclass(frozen=True)
class Taken:
    """Seconds of one call: those on the wall, and those that all processors together computed for this process."""

    wall: float
    processor: float


def taken(work: Work) -> Taken:
    """Return the seconds of one call, a graphics card's own work included in those on the wall."""
    gc.collect()
    _wait_for_device()
    wall, processor = time.perf_counter(), time.process_time()
    result = work()
    _wait_for_device()
    found = Taken(time.perf_counter() - wall, time.process_time() - processor)
    del result
    return found


def seconds(work: Work) -> float:
    """Return the seconds on the wall that one call takes."""
    return taken(work).wall


def processor_seconds(work: Work) -> float:
    """Return the seconds that this process computes during one call."""
    return taken(work).processor


def in_turns(ways: Mapping[str, Work], rounds: int) -> dict[str, list[Taken]]:
    """Return the times of every way in every round; each round begins with another way, so that none always comes first."""
    names, found = list(ways), {name: [] for name in ways}
    for turn in range(rounds):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            found[name].append(taken(ways[name]))
    return found


def compared(times: Mapping[str, list[Taken]], baseline: str) -> dict[str, dict[str, float]]:
    """Return for every way its median seconds and its median ratios to the baseline of the same round, both clocks."""
    base = times[baseline]
    return {
        name: {
            "seconds": statistics.median(one.wall for one in found),
            "ratio": statistics.median(one.wall / own.wall for one, own in zip(found, base, strict=True)),
            "processor_ratio": statistics.median(
                one.processor / own.processor for one, own in zip(found, base, strict=True)
            ),
            "rounds": len(found),
        }
        for name, found in times.items()
    }


def peak_above(work: Work) -> int:
    """Return the bytes that a call takes at most above what this process holds before it.

    On a graphics card in use these are the card's bytes, else those of the process: its highest resident memory during the call,
    minus its resident memory just before. Linux forgets an earlier height on demand; elsewhere only a new height shows.
    """
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        work()
        _wait_for_device()
        return torch.cuda.max_memory_allocated() - before
    _give_back()
    status = Path("/proc/self/status")
    if status.exists():
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        before = _kilobytes(status, "VmRSS")
        result = work()
        found = _kilobytes(status, "VmHWM")
    else:
        # Not on Windows, where nothing else here would fail without it.
        import resource

        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        result = work()
        found = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    del result
    # macOS counts bytes, the others kilobytes.
    return max(0, found - before) * (1 if sys.platform == "darwin" else 1024)


def _kilobytes(status: Path, name: str) -> int:
    line = next(line for line in status.read_text(encoding="ascii").splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1])


def _give_back() -> None:
    """Return freed memory to the system, where the C library can, so that it does not hide what comes next."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


def _wait_for_device() -> None:
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.synchronize()
