"""A measurement in a process of its own: it answers with one line of JSON, or the parent learns why not."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LONGEST_REASON = 140
_MARK = "benchmark answer: "
_PATH = re.compile(r"(?:[A-Za-z]:)?(?:[/\\][\w.\-~+@]+){2,}[/\\]?")


class Unmeasured(Exception):
    """Why there is no figure, in a few words."""


def answer(found: dict) -> None:
    """Tell the parent what was measured."""
    print(_MARK + json.dumps(found), flush=True)


def ask(module: str, *arguments: object, python: str = sys.executable, seconds: float = 600) -> dict:
    """Return what `python -m module arguments` answers; raises Unmeasured where it fails or takes too long."""
    command = [python, "-m", module, *map(str, arguments)]
    # Nothing is to be fetched while something is measured.
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    try:
        status, output, errors = _finished(command, environment, seconds)
    except subprocess.TimeoutExpired:
        raise Unmeasured(f"not done after {seconds:.0f} s") from None
    except OSError as error:
        raise Unmeasured(reason(error)) from error
    answers = [line for line in output.splitlines() if line.startswith(_MARK)]
    if status == 0 and answers:
        return json.loads(answers[-1].removeprefix(_MARK))
    if status == -signal.SIGKILL:
        raise Unmeasured("the system ended the process, most likely for want of memory")
    raise Unmeasured(last_words(errors) or f"ended with status {status} and said nothing")


def _finished(command: list[str], environment: Mapping[str, str], seconds: float) -> tuple[int, str, str]:
    """Return status, output and errors of a command; one that takes too long is ended with all that it started."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "errors": "replace"}
    with subprocess.Popen(command, cwd=ROOT, env=environment, start_new_session=True, **pipes) as process:
        try:
            output, errors = process.communicate(timeout=seconds)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        return process.returncode, output, errors


def last_words(errors: str) -> str:
    """Return the last line of what a process wrote as errors, in a few words without paths."""
    lines: Sequence[str] = [line for line in errors.splitlines() if line.strip()]
    return plain(lines[-1].removeprefix(f"{__name__}.{Unmeasured.__name__}: ")) if lines else ""


def reason(error: BaseException) -> str:
    """Return why something failed, in a few words without paths."""
    return plain(f"{type(error).__name__}: {error}" if not isinstance(error, Unmeasured) else str(error))


def plain(text: str) -> str:
    """Return the first line of a text without paths, shortened, and fit to stand in a cell of a Markdown table."""
    line = (
        _PATH.sub("…", next(iter(text.strip().splitlines()), "")).replace("|", "/").replace("<", "‹").replace("`", "'")
    )
    return line if len(line) <= LONGEST_REASON else f"{line[: LONGEST_REASON - 1]}…"
