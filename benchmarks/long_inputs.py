"""Attention of long texts beside a plain forward pass: `python -m benchmarks.long_inputs`.

For a decoder of GPT-2-small's size with random weights, at 256 to 4,096 tokens: how many times as long as a plain forward
pass with torch's fused attention each way takes, and the memory that it takes above the model. `--peers PYTHON` names an
interpreter that has TransformerLens and nnsight (requirements-benchmarks.txt); `--quick` leaves out what takes minutes and
10 GB; `--device cuda` measures the graphics card too.
"""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, field

import psutil
import torch

from benchmarks.budgets import MEGABYTES, RATIO, Figure, Line, Section, table
from benchmarks.child import Unmeasured
from benchmarks.course import Course
from benchmarks.long_ways import EAGER, EAGER_STATISTICS, OVERVIEW, PLAIN, RECORD, STATISTICS

LENGTHS = (256, 1024, 2048, 4096)
LONGEST = LENGTHS[-1]
GPU_LENGTHS = (2048, 4096, 32_768)
# The times of short texts scatter most, so they are measured most often.
ROUNDS = {256: 15, 1024: 4, 2048: 3, 4096: 2, 32_768: 3}
EAGER_ROUNDS = {256: 3, 1024: 2, 2048: 1, 4096: 1}
PEER_ROUNDS = {256: 3, 1024: 2}
CAPTURE_RATIO, STATISTICS_RATIO, STATISTICS_MEGABYTES = 1.05, 1.3, 400
STATISTICS_FROM = 2048
# Eager's weights of 4,096 tokens are 9.7 GB: a machine that swaps measures nothing.
EAGER_BYTES = 12 * 10**9
PEERS = {"TransformerLens": "transformer-lens", "nnsight": "nnsight"}
EAGER_COLUMN = "eager output_attentions"
COLUMNS = (EAGER_COLUMN, *PEERS)
TIMES_NOTE = (
    "Ratios to one plain forward pass of a random decoder of GPT-2-small's size (12 layers, 12 heads, {numbers}) with torch's "
    "fused attention: medians over rounds in which the ways take turns in one process, by the clock on the wall. Capture is "
    "`record`: afterwards any weight of any head follows. What it captures stays in memory, so its time depends on how much the "
    "C library takes anew from the system, and scatters from process to process by a tenth and more. Statistics are entropy, "
    "the weight of the previous and of the first token, and the mean maximum, of every head; eager's column there computes the "
    "same from its weights."
)
PEERS_NOTE = (
    " TransformerLens (patterns cached) and nnsight (weights saved) run in processes of their own, each beside a plain pass of "
    "its own, at 256 and 1,024 tokens only; both run eager attention inside."
)
MEMORY_NOTE = (
    "The highest memory of the process during one run minus what it held before, with the model; every way in a process of its "
    "own."
)

Answered = Mapping | str


@dataclass
class Costs:
    """What was answered for each length, or in words why nothing was: own ways, eager's, and those of each peer."""

    own: dict[int, Answered] = field(default_factory=dict)
    eager: dict[int, Answered] = field(default_factory=dict)
    peers: dict[str, Answered] = field(default_factory=dict)
    memory: dict[str, Figure] = field(default_factory=dict)

    def capture_line(self, tokens: int) -> Line:
        """Return the line of capture at a length."""
        peers = {EAGER_COLUMN: _ratio(self.eager.get(tokens), EAGER)} | self.peer_figures(tokens, "ratio")
        return Line(f"capture, {tokens:,} tokens", RATIO, _ratio(self.own[tokens], RECORD), CAPTURE_RATIO, peers)

    def statistics_line(self, tokens: int) -> Line:
        """Return the line of statistics at a length; short texts have no budget."""
        most = STATISTICS_RATIO if tokens >= STATISTICS_FROM else None
        peers = {EAGER_COLUMN: _ratio(self.eager.get(tokens), EAGER_STATISTICS)}
        measured = _ratio(self.own[tokens], STATISTICS)
        return Line(f"statistics of all heads, {tokens:,} tokens", RATIO, measured, most, peers)

    def overview_line(self, tokens: int) -> Line:
        """Return the line of what the app runs: trace, statistics and thumbnails together."""
        what = f"capture, statistics and thumbnails in one run, {tokens:,} tokens"
        return Line(what, RATIO, _ratio(self.own[tokens], OVERVIEW))

    def memory_line(self, what: str, way: str, tokens: int, most: float | None = None) -> Line:
        """Return the line of a way's memory at a length."""
        eager = self.eager.get(tokens)
        peers = {EAGER_COLUMN: _megabytes(eager)} | self.peer_figures(tokens, "bytes")
        return Line(f"{what}, {tokens:,} tokens", MEGABYTES, self.memory.get(way, ""), most, peers)

    def peer_figures(self, tokens: int, name: str) -> dict[str, Figure]:
        """Return the peers' ratios, or their megabytes, at a length."""
        found: dict[str, Figure] = {}
        for peer, answered in self.peers.items():
            one = (
                answered
                if isinstance(answered, str)
                else answered.get(str(tokens), {"bytes": "not run", "ratio": "not run"})
            )
            found[peer] = one if isinstance(one, str) else _megabytes(one) if name == "bytes" else one[name]
        return found


def _ratio(answered: Answered | None, way: str) -> Figure:
    if answered is None or isinstance(answered, str):
        return answered or ""
    return answered["ways"][way]["ratio"]


def _megabytes(answered: Answered | None) -> Figure:
    if answered is None or isinstance(answered, str):
        return answered or ""
    return answered["bytes"] if isinstance(answered["bytes"], str) else answered["bytes"] / 1e6


def own_ways(course: Course, device: str, tokens: int, rounds: int, ways: list[str]) -> Answered:
    """Return the ratios of our ways at one length."""
    asked = ("benchmarks.long_ways", "times", tokens, rounds, *ways, "--device", device)
    return course.measure(f"{', '.join(ways)}: {tokens:,} tokens, {device}", lambda: course.ask(*asked))


def eager_way(course: Course, device: str, tokens: int) -> Answered:
    """Return the ratios and the bytes of eager's weights at one length."""

    def run() -> dict:
        if device == "cpu" and tokens >= LONGEST and psutil.virtual_memory().available < EAGER_BYTES:
            raise Unmeasured(f"not run: {EAGER_BYTES / 1e9:.0f} GB must be free")
        return course.ask("benchmarks.long_ways", "eager", tokens, EAGER_ROUNDS[tokens], "--device", device)

    return course.measure(f"eager: {tokens:,} tokens, {device}", run)


def own_memory(course: Course, device: str, tokens: int, way: str) -> Figure:
    """Return the megabytes that a way takes above the model, in a process of its own."""
    asked = ("benchmarks.long_ways", "memory", tokens, 1, way, "--device", device)
    return _megabytes(course.measure(f"memory of {way}: {tokens:,} tokens, {device}", lambda: course.ask(*asked)))


def peer_way(course: Course, name: str, python: str | None) -> Answered:
    """Return what a peer answers for each length."""
    if python is None:
        return "not installed"
    lengths = [f"{tokens}:{rounds}" for tokens, rounds in PEER_ROUNDS.items()]
    found = course.measure(name, lambda: course.ask("benchmarks.peer_ways", PEERS[name], *lengths, python=python))
    if isinstance(found, str):
        return found
    course.versions[name] = found["version"]
    return found["lengths"]


def cpu_costs(course: Course, peers: str | None, *, quick: bool) -> Costs:
    """Measure everything on the processor; what has a budget comes first, and what takes longest last."""
    costs = Costs()
    for tokens in LENGTHS:
        ways = [PLAIN, RECORD, STATISTICS] + ([OVERVIEW] if tokens < LONGEST else [])
        costs.own[tokens] = own_ways(course, "cpu", tokens, 1 if quick else ROUNDS[tokens], ways)
    costs.memory = {way: own_memory(course, "cpu", LONGEST, way) for way in (STATISTICS, RECORD, OVERVIEW)}
    costs.eager = {tokens: eager_way(course, "cpu", tokens) for tokens in LENGTHS[:-1]}
    costs.peers = {name: peer_way(course, name, peers) for name in PEERS}
    costs.eager[LONGEST] = "left out (--quick)" if quick else eager_way(course, "cpu", LONGEST)
    return costs


def cpu_sections(course: Course, peers: str | None, *, quick: bool) -> list[Section]:
    """Return the sections on the processor: times, then memory."""
    costs = cpu_costs(course, peers, quick=quick)
    lines = [costs.capture_line(tokens) for tokens in LENGTHS] + [costs.statistics_line(tokens) for tokens in LENGTHS]
    lines += [costs.overview_line(tokens) for tokens in LENGTHS[:-1]]
    memory = [
        costs.memory_line("statistics of all heads", STATISTICS, LONGEST, STATISTICS_MEGABYTES),
        costs.memory_line("capture, with its trace", RECORD, LONGEST),
        costs.memory_line("capture, statistics and thumbnails in one run", OVERVIEW, LONGEST),
        costs.memory_line("for comparison", "", 1024),
    ]
    return [
        Section("Times of long texts", TIMES_NOTE.format(numbers="float32") + PEERS_NOTE, lines, COLUMNS),
        Section("Memory of long texts", MEMORY_NOTE, memory, COLUMNS),
    ]


def main() -> None:
    from benchmarks.long_inputs_gpu import gpu_section

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", metavar="PYTHON")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda" if torch.cuda.is_available() else "cpu")
    arguments = parser.parse_args()
    course = Course()
    found = cpu_sections(course, arguments.peers, quick=arguments.quick)
    for section in [*found, gpu_section(course, arguments.device, quick=arguments.quick)]:
        print(table(section))


if __name__ == "__main__":
    main()
