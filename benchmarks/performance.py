"""The table of all budgets, measured here and now: `python -m benchmarks.performance --out docs/performance.md`.

It asks for nothing more after `--minutes` (12); what fails or does not fit stands in the table with its reason. `--quick` leaves
out what takes longest. `--peers PYTHON` and `--scripts FOLDER` are for the peers' columns (requirements-benchmarks.txt says
how). `--device cuda` measures the graphics card too, as it is done where there is one.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import torch

from benchmarks import long_inputs, pictures
from benchmarks.budgets import Section, summary, table
from benchmarks.child import reason
from benchmarks.course import Course
from benchmarks.long_inputs_gpu import gpu_section
from benchmarks.machine import machine_lines

MINUTES = 12
_HEADER = """# Performance

What was asked of speed, memory and bytes, what was measured, and what others need for the same. Written by
`python -m benchmarks.performance --out docs/performance.md{options}` on {date}, in one run of {minutes:.1f} minutes.

{summary}

{machine}

A figure is compared with what was asked as it is written here. × is a ratio to a plain forward pass with torch's fused
attention in the same run; other machines give other seconds, and ratios that differ as their kernels and memory do. An empty
cell says that it was not asked for, or that the peer has nothing of the kind.

"""


def document(sections: Sequence[Section], machine: Sequence[str], *, options: str, date: str, minutes: float) -> str:
    """Return the whole document as Markdown."""
    header = _HEADER.format(
        options=options, date=date, minutes=minutes, summary=summary(sections), machine="\n".join(machine)
    )
    return header + "\n".join(table(section) for section in sections)


def measured(course: Course, arguments: argparse.Namespace) -> list[Section]:
    """Return all sections; a part that fails altogether is a section that says so."""
    quick, found = arguments.quick, []
    parts: dict[str, Callable[[], list[Section]]] = {
        "Pictures": lambda: pictures.app_sections(course, quick=quick),
        "Long texts": lambda: long_inputs.cpu_sections(course, arguments.peers, quick=quick),
        "Graphics card": lambda: [gpu_section(course, arguments.device, quick=quick)],
        "Files of peers": lambda: [pictures.files_section(course, arguments.peers, arguments.scripts)],
    }
    for title, part in parts.items():
        try:
            found += part()
        except Exception as error:
            print(f"{title}: {reason(error)}", flush=True)
            found.append(Section(title, f"This part failed: {reason(error)}.", ()))
    return found


def main() -> int:
    """Measure everything and write the document; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")
    parser.add_argument("--peers", metavar="PYTHON", help="an interpreter that has the peers")
    parser.add_argument("--scripts", metavar="FOLDER", help="node_modules with what BertViz fetches from a CDN")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--minutes", type=float, default=MINUTES)
    parser.add_argument("--quick", action="store_true", help="leave out what takes longest")
    arguments = parser.parse_args()
    course = Course(arguments.minutes)
    sections = measured(course, arguments)
    minutes = arguments.minutes - course.left / 60
    date = datetime.now(UTC).date().isoformat()
    options = " --quick" if arguments.quick else ""
    written = document(sections, machine_lines(course.versions), options=options, date=date, minutes=minutes)
    arguments.out.write_text(written, encoding="utf-8")
    print(summary(sections))
    return 0


if __name__ == "__main__":
    sys.exit(main())
