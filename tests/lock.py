"""The pinned packages with their hashes: `python -m tests.lock` writes requirements.lock from requirements.txt."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "requirements.lock"
# torch and what its builds for CUDA bring: these differ by platform, and pip finds the right ones.
APART = re.compile(r"torch|triton|nvidia-.*|cuda-.*")
HEAD = """# Every run-time package at one version, with the hashes that PyPI has for its files. Written by `make lock`.
# torch is left out, with triton and the NVIDIA packages that its builds need: they differ by platform. Its version is pinned
# in requirements.txt, and `make setup LOCKED=1` installs it after all of these.
"""
_ENTRY = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)", re.MULTILINE)


def pins(text: str) -> dict[str, str]:
    """Return name -> version of a requirements file, names as PyPI compares them."""
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in _ENTRY.findall(text)}


def without_torch(text: str) -> str:
    """Return a lock without the packages of APART, each of which is a line and the indented ones below it."""
    entries = re.split(r"^(?=\S)", text, flags=re.MULTILINE)
    return "".join(entry for entry in entries if not APART.fullmatch(next(iter(pins(entry)), "")))


def main() -> int:
    """Write the lock for every platform and every Python from 3.11; return the exit status of uv."""
    command = ["uv", "pip", "compile", "requirements.txt", "--universal", "--python-version", "3.11", "--no-header"]
    found = subprocess.run(
        [sys.executable, "-m", *command, "--generate-hashes", "--quiet"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    if found.returncode == 0:
        LOCK.write_text(HEAD + without_torch(found.stdout), encoding="utf-8")
        print(f"{LOCK.name}: {len(pins(LOCK.read_text(encoding='utf-8')))} packages")
    return found.returncode


if __name__ == "__main__":
    sys.exit(main())
