"""The lines of long texts on a graphics card, in bfloat16 and up to 32,768 tokens; without one, lines that say so."""

import torch

from benchmarks.budgets import MEGABYTES, RATIO, Line, Section
from benchmarks.course import Course
from benchmarks.long_inputs import (
    CAPTURE_RATIO,
    EAGER_COLUMN,
    GPU_LENGTHS,
    LONGEST,
    ROUNDS,
    STATISTICS_RATIO,
    TIMES_NOTE,
    Costs,
    eager_way,
    own_memory,
    own_ways,
)
from benchmarks.long_ways import PLAIN, RECORD, STATISTICS

TITLE = "Graphics card"
NO_DEVICE_NOTE = (
    "Not measured: no CUDA device was used in this run. Where there is one, `--device cuda` measures these lines in bfloat16. "
    "There is no fused kernel of our own (Triton): without a device it could not be compared with the blocks that torch computes."
)


def gpu_section(course: Course, device: str, *, quick: bool) -> Section:
    """Return the section on a graphics card."""
    if device != "cuda" or not torch.cuda.is_available():
        asked = {"capture": CAPTURE_RATIO, "statistics of all heads": STATISTICS_RATIO}
        lines = [
            Line(f"{what}, {GPU_LENGTHS[-1]:,} tokens", RATIO, "no CUDA device", most) for what, most in asked.items()
        ]
        return Section(TITLE, NO_DEVICE_NOTE, lines)
    lengths = GPU_LENGTHS[:-1] if quick else GPU_LENGTHS
    costs = Costs()
    for tokens in lengths:
        costs.own[tokens] = own_ways(course, "cuda", tokens, ROUNDS[tokens], [PLAIN, RECORD, STATISTICS])
        # Beyond this the weights of all layers fit on no card: 12 x 12 x 32,768^2 numbers of two bytes are 309 GB.
        costs.eager[tokens] = eager_way(course, "cuda", tokens) if tokens <= LONGEST else "does not fit"
    lines = [costs.capture_line(tokens) for tokens in lengths] + [costs.statistics_line(tokens) for tokens in lengths]
    longest = lengths[-1]
    for way in (PLAIN, RECORD, STATISTICS):
        memory = own_memory(course, "cuda", longest, way)
        lines.append(Line(f"the card's memory above the model, {way}, {longest:,} tokens", MEGABYTES, memory))
    note = f"{TIMES_NOTE.format(numbers='bfloat16')} On {torch.cuda.get_device_name()}."
    return Section(TITLE, note, lines, (EAGER_COLUMN,))
