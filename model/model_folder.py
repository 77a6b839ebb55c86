"""What a folder that calls itself a model may make transformers read, checked before transformers sees it."""

import os
import re
import stat
from pathlib import Path
from typing import Any

from model.bounded_json import parse_json
from model.errors import HeadscopeError, ModelNotFound, UnsafeModel

CONFIG, INDEX = "config.json", "model.safetensors.index.json"
LARGEST_JSON = 256 * 2**20
# Numbers that say how often something is built, whose size a file of any length may declare.
_COUNTS = re.compile(r"_?(n|num)_.*(layer|block|expert|stage).*|.*(layers|depths?|blocks|experts|stages)")
_LABELS = re.compile(r"_?(n|num)_.*labels")
_MOST_PARTS, _MOST_LABELS = 1_024, 1_000_000


def check_folder(folder: Path, name: str, *, links: bool = False) -> None:
    """Refuse a folder that would make transformers read other files, run code, wait for ever or build without end.

    Every file of the folder is a plain file, and where `links` is False none is a link out of it; but for the blobs of the
    hub's own cache. Raises UnsafeModel or ModelNotFound with one sentence.
    """
    try:
        for path in sorted(folder.iterdir()):
            _check_file(folder, path, name, links)
        _check_index(folder / INDEX, name)
        _check_config(folder / CONFIG, name)
    except HeadscopeError:
        raise
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ModelNotFound(
            f"The files of “{name}” cannot be read: {reason}. Check the folder, or save the model again with save_pretrained."
        ) from error


def _check_file(folder: Path, path: Path, name: str, links: bool) -> None:
    # A Path tells of a loop with an error of another kind.
    target = Path(os.path.realpath(path, strict=True))
    blobs = folder.resolve().parent.parent / "blobs"
    if not (links or target.is_relative_to(folder.resolve()) or target.is_relative_to(blobs)):
        raise UnsafeModel(
            f"“{path.name}” in “{name}” is a link to a file outside of that folder, which Headscope does not follow. Put the "
            "file itself there."
        )
    kind = path.stat().st_mode
    if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
        raise UnsafeModel(f"“{path.name}” in “{name}” is no plain file, so Headscope does not read it. Remove it.")
    if path.suffix == ".json" and path.stat().st_size > LARGEST_JSON:
        raise ValueError(f"“{path.name}” is larger than such a file is")
    if path.name == "adapter_config.json":
        raise ModelNotFound(
            f"“{name}” is an adapter to another model. Merge the two (merge_and_unload), save them, and choose that folder."
        )


def _check_index(path: Path, name: str) -> None:
    if not path.is_file():
        return
    index = parse_json(path.read_bytes())
    shards = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(shards, dict) or not all(isinstance(shard, str) for shard in shards.values()):
        raise ValueError(f"“{path.name}” does not say which file holds which weight")
    for shard in set(shards.values()):
        if not re.fullmatch(r"[^/\\\0]+\.safetensors", shard):
            raise UnsafeModel(
                f"“{path.name}” of “{name}” names weights that are no safetensors file of the folder, so Headscope does not read "
                "them. Save the model again with save_pretrained."
            )
        if not (path.parent / shard).is_file():
            raise ValueError(f"the weights file “{shard[:200]}” is missing")


def _check_config(path: Path, name: str) -> None:
    config = parse_json(path.read_bytes(), most=1_000_000)
    if not isinstance(config, dict):
        raise ValueError(f"“{path.name}” is no table of settings")
    for key, value in _settings(config):
        most = _MOST_PARTS if _COUNTS.fullmatch(key) else _MOST_LABELS if _LABELS.fullmatch(key) else None
        if most is not None and type(value) in (int, float) and not abs(value) <= most:
            raise ValueError(f"“{path.name}” asks for {value:.3g} as {key[:80]}, more than any has")
        if "_implementation" in key and isinstance(value, str) and "/" in value:
            raise UnsafeModel(
                f"“{name}” names code of the hub as its {key[:80]}, which Headscope never runs. Remove the line from config.json."
            )
        if key == "use_pretrained_backbone" and value:
            raise UnsafeModel(
                f"“{name}” takes weights from elsewhere. Save it whole with save_pretrained, and choose that folder."
            )


def _settings(config: object, key: str = "") -> Any:
    """Yield every value inside, under the name that it or the list it stands in has."""
    if isinstance(config, dict):
        for name, value in config.items():
            yield from _settings(value, name)
    elif isinstance(config, list):
        for value in config:
            yield from _settings(value, key)
    else:
        yield key, config
