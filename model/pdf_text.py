"""The text of a PDF, read in a process of its own: a file that takes all memory or time ends that process and no other.

Run as a script: the file comes on standard input, an answer as JSON goes to standard output.
"""

import json
import logging
import subprocess
import sys
from io import BytesIO
from typing import Any

MOST_SECONDS = 30
MOST_MEMORY = 2 * 2**30


def pdf_answer(data: bytes, pages: int, characters: int) -> dict[str, Any]:
    """Return {"text": …} of the bytes of a PDF, or {"problem": …} in a word.

    The problem is "encrypted", "pages" or "characters" (more than there may be, as "count"), "time", or "broken" with the
    "error" that was met.
    """
    command = [sys.executable, "-I", __file__, str(pages), str(characters)]
    try:
        done = subprocess.run(command, input=data, capture_output=True, timeout=MOST_SECONDS, check=True)
        return json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        return {"problem": "time"}
    except (subprocess.CalledProcessError, OSError, ValueError) as error:
        return {"problem": "broken", "error": type(error).__name__}


def _read(data: bytes, most_pages: int, most_characters: int) -> dict[str, Any]:
    from pypdf import PasswordType, PdfReader

    reader = PdfReader(BytesIO(data))
    # Many files are encrypted with an empty password, so that they can be read but not changed.
    if reader.is_encrypted and reader.decrypt("") == PasswordType.NOT_DECRYPTED:
        return {"problem": "encrypted"}
    count = len(reader.pages)
    if count > most_pages:
        return {"problem": "pages", "count": count}
    texts, length = [], 0
    for page in reader.pages:
        texts.append(page.extract_text())
        length += len(texts[-1])
        if length > most_characters:
            return {"problem": "characters", "count": length}
    return {"text": "\n".join(texts)}


def _answer(data: bytes, most_pages: int, most_characters: int) -> dict[str, Any]:
    try:
        return _read(data, most_pages, most_characters)
    # A broken file breaks the reader anywhere: with errors of its own, and with those of what it looks up in vain.
    except Exception as error:
        kind = type(error).__name__
        return {"problem": "encrypted"} if kind == "DependencyError" else {"problem": "broken", "error": kind}


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # not on Windows
        return
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))


if __name__ == "__main__":
    logging.disable()
    _limit_memory()
    json.dump(_answer(sys.stdin.buffer.read(), *map(int, sys.argv[1:])), sys.stdout)
