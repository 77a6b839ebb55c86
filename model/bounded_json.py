"""JSON from files of others: how much it may hold is checked before it becomes objects."""

import json
from typing import Any

MOST_VALUES = 5_000_000


def parse_json(content: bytes | str, most: int = MOST_VALUES) -> Any:
    """Return what JSON text stands for; one with more than `most` values or names is not taken apart.

    Raises ValueError for that, and where it is no JSON, is nested too deeply, or has a number beyond measure.
    """
    # One more value or name than marks like these; those inside strings count too, which errs on the safe side.
    marks = ",:[{"
    count = sum(content.count(mark.encode()) if isinstance(content, bytes) else content.count(mark) for mark in marks)
    if count >= most:
        raise ValueError("it holds more values than such a file has")
    try:
        return json.loads(content, parse_int=_whole)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _whole(digits: str) -> int:
    # Beyond 64 bits arrays and tensors cannot take a number, and each does so with an error of its own.
    number = int(digits)
    if not -(2**63) <= number < 2**63:
        raise ValueError("a number in it is beyond measure")
    return number
