"""Talks that come with the app: plain JSON files beside this one."""

from pathlib import Path

from app.talks import Talk, read_talk

FOLDER = Path(__file__).parent / "talks_ready"
READY = {"Attention in ten minutes": "attention-in-ten-minutes.json"}


def ready_talk(name: str) -> Talk:
    """Return the talk with this name."""
    return read_talk((FOLDER / READY[name]).read_bytes())
