"""The machine that something was measured on, as lines of Markdown: no name of a host, no path."""

import os
import platform
import re
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import psutil
import torch

PACKAGES = ("torch", "transformers", "streamlit", "numpy")


def machine_lines(others: Mapping[str, str] = {}) -> list[str]:
    """Return what the figures depend on: processor, memory, graphics card, load, and versions, `others` with them."""
    memory = psutil.virtual_memory().total / 2**30
    packages = {"Python": platform.python_version()} | {name: version(name) for name in PACKAGES} | dict(others)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    lines = [
        f"- {cores} cores ({processor()}), {torch.get_num_threads()} threads of torch, {memory:.0f} GiB of memory, "
        f"{platform.system()} on {platform.machine()}; {graphics_card()}",
        f"- {', '.join(f'{name} {number}' for name, number in packages.items())}",
    ]
    if hasattr(os, "getloadavg"):
        lines.append(f"- load before the run, over five minutes: {LOAD_BEFORE:.2f}")
    return lines


def processor() -> str:
    """Return the processor's name, as far as the system tells it."""
    information = Path("/proc/cpuinfo")
    if information.exists():
        named = re.search(r"^model name\s*:\s*(.+)$", information.read_text(encoding="utf-8"), re.MULTILINE)
        if named:
            return named.group(1).strip()
    return platform.processor() or "its name is not told"


def graphics_card() -> str:
    """Return the CUDA device's name, or that there is none."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "no CUDA device"


LOAD_BEFORE = os.getloadavg()[1] if hasattr(os, "getloadavg") else 0.0
