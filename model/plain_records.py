"""Dataclasses as plain JSON data and back, every field checked against its annotation."""

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from typing import Any

DIGITS = 6


def to_plain(value: Any) -> Any:
    """Return dataclasses as dicts, tuples as lists and floats rounded to 6 digits; fields that are None are left out."""
    if dataclasses.is_dataclass(value):
        fields = {entry.name: getattr(value, entry.name) for entry in dataclasses.fields(value)}
        return {name: to_plain(entry) for name, entry in fields.items() if entry is not None}
    if isinstance(value, Mapping):
        return {str(name): to_plain(entry) for name, entry in value.items()}
    if isinstance(value, tuple | list):
        return [to_plain(entry) for entry in value]
    return round(value, DIGITS) if isinstance(value, float) else value


def from_plain(kind: Any, value: Any, where: str = "the file") -> Any:
    """Return `value` as the annotated type: a dataclass, Mapping[str, ...], tuple, str, int, float, or one of these or None.

    Raises ValueError that names the field where something is missing, unknown, not finite or of another type.
    """
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        inner = next(argument for argument in arguments if argument is not types.NoneType)
        return None if value is None else from_plain(inner, value, where)
    if dataclasses.is_dataclass(kind):
        return _record(kind, value, where)
    if origin is not None and issubclass(origin, Mapping):
        _check(isinstance(value, dict), where, "a table")
        return {name: from_plain(arguments[1], entry, f"{where}, {name}") for name, entry in value.items()}
    if origin is tuple:
        _check(isinstance(value, list), where, "a list")
        kinds = [arguments[0]] * len(value) if arguments[-1] is Ellipsis else arguments
        _check(len(kinds) == len(value), where, f"a list of {len(kinds)}")
        return tuple(from_plain(inner, entry, where) for inner, entry in zip(kinds, value, strict=True))
    if kind is float:
        _check(type(value) in (int, float) and math.isfinite(value), where, "a number")
        return float(value)
    _check(type(value) is kind, where, {int: "a whole number", str: "text"}.get(kind, str(kind)))
    return value


def _record(kind: Any, value: Any, where: str) -> Any:
    _check(isinstance(value, dict), where, "a table")
    fields = {entry.name: entry for entry in dataclasses.fields(kind)}
    unknown = set(value) - set(fields)
    if unknown:
        raise ValueError(f"{where} has the unknown field “{min(unknown)}”")
    types_of = typing.get_type_hints(kind)
    found = {}
    for name, entry in fields.items():
        optional = types.NoneType in typing.get_args(types_of[name])
        has_default = entry.default is not dataclasses.MISSING or entry.default_factory is not dataclasses.MISSING
        if name in value:
            found[name] = from_plain(types_of[name], value[name], f"{where}, {name}")
        elif optional:
            found[name] = None
        elif not has_default:
            raise ValueError(f"{where} has no field “{name}”")
    return kind(**found)


def _check(true: bool, where: str, expected: str) -> None:
    if not true:
        raise ValueError(f"{where} is not {expected}")
