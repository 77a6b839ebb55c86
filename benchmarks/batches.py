"""Many short texts, together and one by one: `python -m benchmarks.batches`.

Prints the time of `record` over each of 400 sentences of the bundled model, divided by that of `record_batches` over all of
them, in one run and on one thread; the lowest of three rounds of each.
"""

import random
from pathlib import Path

import torch

from benchmarks.measuring import seconds
from model import load_model, record
from model.batching import record_batches

WORDS = (Path(__file__).parent / "words.txt").read_text(encoding="utf-8").split()
SENTENCES, ROUNDS = 400, 3


def sentences() -> list[str]:
    """Return sentences of 8 to 24 words, the same in every run."""
    chooser = random.Random(0)
    return [" ".join(chooser.choices(WORDS, k=chooser.randint(8, 24))) for _ in range(SENTENCES)]


def main() -> None:
    torch.set_num_threads(1)
    loaded, texts = load_model("minilm", device="cpu"), sentences()
    alone, together = [], []
    for _ in range(ROUNDS):
        alone.append(seconds(lambda: [record(loaded, text).nbytes for text in texts]))
        together.append(seconds(lambda: [trace.nbytes for _, trace in record_batches(loaded, texts)]))
    print(
        f"one by one {min(alone):.2f} s, together {min(together):.2f} s: {min(alone) / min(together):.1f} times as fast"
    )


if __name__ == "__main__":
    main()
