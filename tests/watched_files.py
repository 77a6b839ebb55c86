"""Whether anything opened a file outside of a folder, used the network, or ran a program, whichever language it is written in."""

import ctypes
import os
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

# What Python itself reports: code, programs and the network.
_FORBIDDEN = (
    "socket.connect",
    "socket.getaddrinfo",
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "pickle.find_class",
)
_IN_OPEN, _IN_ACCESS = 0x20, 0x1
_watching: list["Seen"] = []


@dataclass
class Seen:
    """What happened in a block of code: forbidden events of Python, and the names of watched files that were opened."""

    events: list[str] = field(default_factory=list)
    opened: set[str] = field(default_factory=set)


def _hook(event: str, arguments: tuple) -> None:
    for seen in _watching:
        if event in _FORBIDDEN:
            seen.events.append(f"{event} {arguments!r}"[:200])


@contextmanager
def watched(*secrets: Path) -> Iterator[Seen]:
    """Note what the block does; `secrets` are files that it has no business with, watched by the kernel (Linux)."""
    if _hook not in _hooked:
        # A hook stays for as long as Python runs: one for all, which is silent outside of a block.
        sys.addaudithook(_hook)
        _hooked.append(_hook)
    seen = Seen()
    watch, names = _watch(secrets)
    _watching.append(seen)
    try:
        yield seen
    finally:
        _watching.remove(seen)
        if watch is not None:
            seen.opened |= _read_watch(watch, names)
            os.close(watch)


_hooked: list = []


def _watch(secrets: tuple[Path, ...]) -> tuple[int | None, dict[int, str]]:
    if not sys.platform.startswith("linux") or not secrets:
        return None, {}
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    names = {}
    for path in secrets:
        number = libc.inotify_add_watch(descriptor, os.fsencode(path), _IN_OPEN | _IN_ACCESS)
        assert number >= 0, f"{path.name} cannot be watched"
        names[number] = path.name
    return descriptor, names


def _read_watch(descriptor: int, names: dict[int, str]) -> set[str]:
    found = set()
    try:
        content = os.read(descriptor, 1 << 16)
    except BlockingIOError:
        return found
    place = 0
    while place < len(content):
        number, _mask, _cookie, length = struct.unpack_from("iIII", content, place)
        found.add(names.get(number, "?"))
        place += 16 + length
    return found
