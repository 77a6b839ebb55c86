"""Memory of one process that serves many requests: `python -m benchmarks.memory`.

500 different sentences by four visitors at once, each through what the Attention page computes: the run, the thumbnails of all
heads and the open head, in the app's own stores. The stores are bounded so that the first 50 requests fill them: whatever
grows after that is no cache. Prints the resident memory after the first 50 and after all, in the same run, and their ratio.
"""

import argparse
import ctypes
import gc
import random
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from app import cache, engine, shown_heads
from app.selection import Selection
from model.waiting import waiting_as

WORDS = (Path(__file__).parent / "words.txt").read_text(encoding="utf-8").split()
REQUESTS, FIRST, VISITORS = 500, 50, 4
RUN_BYTES, PICTURE_BYTES = 8_000_000, 4_000_000


def sentences(count: int) -> list[str]:
    """Return so many sentences of 8 to 24 words, each different, the same in every run."""
    chooser = random.Random(0)
    found: dict[str, None] = {}
    while len(found) < count:
        found[" ".join(chooser.choices(WORDS, k=chooser.randint(8, 24)))] = None
    return list(found)


def bound_stores() -> None:
    """Bound the app's stores so that some dozen sentences fill them."""
    cache.runs().max_bytes, cache.pictures().max_bytes = RUN_BYTES, PICTURE_BYTES


def request(text: str, visitor: int) -> None:
    """Compute what the Attention page shows of a sentence, as one of several visitors."""
    selection = Selection(text=text, token="")
    with waiting_as(visitor, lambda _place: None):
        loaded = engine.loaded_model(selection, lambda *_told: None)
        run = engine.run(selection, loaded, lambda _share: None)
        stack = run.trace.stacks[0]
        shown_heads.thumbnails_of(run, selection, stack, lambda _share: None)
        shown_heads.shown_head(run, selection, stack)


def serve(texts: list[str]) -> None:
    """Serve requests of several visitors at once."""
    with ThreadPoolExecutor(VISITORS) as pool:
        list(pool.map(lambda numbered: request(numbered[1], numbered[0] % VISITORS), enumerate(texts)))


def resident_bytes() -> int:
    """Return the resident memory of this process, in bytes, after what is free was given back to the system (Linux)."""
    gc.collect()
    if sys.platform == "linux":
        # Freed blocks that the allocator keeps for itself are no memory in use.
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * 4096


def main() -> None:
    """Print the resident memory after the first requests and after all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory")
    parser.add_argument("--requests", type=int, default=REQUESTS)
    count = parser.parse_args().requests
    texts = sentences(count)
    bound_stores()
    serve(texts[:FIRST])
    first = resident_bytes()
    print(f"after {FIRST}: {first / 1e6:.1f} MB resident, {cache.runs().nbytes / 1e6:.1f} MB of runs kept", flush=True)
    for start in range(FIRST, count, 50):
        serve(texts[start : start + 50])
        print(f"after {min(count, start + 50)}: {resident_bytes() / 1e6:.1f} MB", flush=True)
    last = resident_bytes()
    print(f"after {count}: {last / 1e6:.1f} MB resident, {last / first:.3f} of what it was after {FIRST}")


if __name__ == "__main__":
    main()
