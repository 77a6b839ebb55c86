"""What one layer of self-attention, recurrence or convolution costs on this machine: time and memory."""

import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd
import torch
from torch import nn

from model.analysis.peak_memory import peak_bytes
from model.errors import HeadscopeError

# Each measured kind with the layer of the paper's table that it is one of.
LAYER_OF = {
    "fused attention": "self-attention",
    "explicit attention": "self-attention",
    "recurrence": "recurrence",
    "convolution": "convolution",
}
MOST_REPEATS = 50


@dataclass(frozen=True)
class CostSizes:
    """What is measured: lengths n at one width, widths d at one length, the kernel, and a budget of seconds for all of it.

    The budget is for the repeats; the first call of each size and the count of its memory come on top.
    """

    lengths: tuple[int, ...] = (64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048)
    widths: tuple[int, ...] = (64, 96, 128, 192, 256, 384, 512, 768, 1024)
    fixed_length: int = 256
    fixed_width: int = 256
    kernel: int = 3
    seconds: int | float = 6.0

    def points(self) -> list[tuple[int, int]]:
        """Return every (n, d) once, sorted by its length and width."""
        over_length = [(length, self.fixed_width) for length in self.lengths]
        return sorted({*over_length, *((self.fixed_length, width) for width in self.widths)})


def measure_costs(sizes: CostSizes, progress: Callable[[float, str], object]) -> pd.DataFrame:
    """Return one row per kind of layer and size: kind, n, d, seconds (median of repeats) and bytes (`peak_bytes`).

    One forward pass over one sequence in float32 on the CPU, without gradients; attention has one head and no maps of its own.
    `progress` takes the done share and what is measured next; what it raises ends the measurement. Raises HeadscopeError.
    """
    points = sizes.points()
    if not points or min(min(points)) < 1 or min(width for _, width in points) < 1 or sizes.kernel < 1:
        raise HeadscopeError("Lengths, widths and the kernel must be at least 1, and one size must be given.")
    share = sizes.seconds / (len(points) * len(LAYER_OF))
    steps = [(kind, length, width) for length, width in points for kind in LAYER_OF]
    rows = []
    for done, (kind, length, width) in enumerate(steps):
        progress(done / len(steps), f"Measuring {kind}, n = {length}, d = {width}")
        rows.append({"kind": kind, "n": length, "d": width, **_measured(kind, length, width, sizes.kernel, share)})
    progress(1.0, "Measured")
    return pd.DataFrame(rows)


def machine() -> str:
    """Return what the measurement runs on: processor, threads, and versions."""
    processor = platform.processor() or platform.machine()
    return f"CPU {processor}, {torch.get_num_threads()} threads, {platform.system()}, PyTorch {torch.__version__}"


def layer_call(kind: str, length: int, width: int, kernel: int) -> Callable[[], torch.Tensor]:
    """Return a function that runs one layer over a random sequence.

    fused attention: torch scaled_dot_product_attention; explicit attention: softmax((q / sqrt(d)) k^T) v, its n x n weights
    held in memory, both with q = k = v; recurrence: torch GRU; convolution: `kernel` positions wide, padded to length n.
    """
    # A generator of its own, so that measuring changes no draws elsewhere.
    inputs = torch.randn(1, length, width, generator=torch.Generator().manual_seed(0))
    if kind == "fused attention":
        stacked = inputs.unsqueeze(1)
        return lambda: nn.functional.scaled_dot_product_attention(stacked, stacked, stacked)
    if kind == "explicit attention":
        return lambda: ((inputs * width**-0.5) @ inputs.mT).softmax(-1) @ inputs
    with torch.random.fork_rng(devices=[]):
        recurrent = kind == "recurrence"
        layer = nn.GRU(width, width) if recurrent else nn.Conv1d(width, width, kernel, padding="same")
    layer.eval()
    arranged = (inputs.transpose(0, 1) if recurrent else inputs.mT).contiguous()
    return (lambda: layer(arranged)[0]) if recurrent else (lambda: layer(arranged))


def _measured(kind: str, length: int, width: int, kernel: int, seconds: int | float) -> dict[str, int | float]:
    # Not inference_mode, in which a GRU shows none of the tensors it makes.
    with torch.no_grad():
        call = layer_call(kind, length, width, kernel)
        call()  # The first call of a size chooses and prepares its kernels.
        taken = _timings(call, seconds)
        return {"seconds": statistics.median(taken), "bytes": peak_bytes(call)}


def _timings(call: Callable[[], object], seconds: int | float) -> list[float]:
    """Return the time of each repeat: at least one, then as many as fit into `seconds`."""
    taken: list[float] = []
    while not taken or (sum(taken) + taken[-1] < seconds and len(taken) < MOST_REPEATS):
        started = time.perf_counter()
        call()
        taken.append(time.perf_counter() - started)
    return taken
