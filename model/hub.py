"""Downloads from the hub, and only when the user asked for one."""

import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils._paths import filter_repo_objects

from model.errors import Cancelled, ModelNotFound
from model.progress_bars import SilentBar

WANTED: dict[str, Any] = {
    "allow_patterns": ["*.json", "*.safetensors", "*.model", "*.spm", "*.txt", "*.tiktoken", "*.jinja"],
    # Other formats and copies of the same weights, which transformers does not read.
    "ignore_patterns": ["*/*", "consolidated*"],
}
TIMEOUT_SECONDS = 10
POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Listing:
    """What the hub says of a model: its files outside folders, its parameters (or their least number) and bytes to fetch."""

    files: list[str]
    parameters: int | None
    nbytes: int | None


def cached_snapshot(name: str, revision: str | None) -> Path | None:
    """Return the folder of a model that was downloaded before, without touching the network, or None."""
    try:
        return Path(snapshot_download(name, revision=revision, local_files_only=True, **WANTED))
    except (LocalEntryNotFoundError, HFValidationError, OSError, ValueError):
        return None


def listing(name: str, revision: str | None) -> Listing:
    """Return what the hub says of a model.

    Raises ModelNotFound with one sentence: unknown id, gated, no such revision, or no network.
    """
    try:
        info = HfApi().model_info(name, revision=revision, timeout=TIMEOUT_SECONDS, files_metadata=True)
    except Exception as error:
        raise _explained(name, revision, error) from error
    sizes = {file.rfilename: file.size for file in info.siblings or ()}
    wanted = [sizes[file] for file in filter_repo_objects(list(sizes), **WANTED)]
    return Listing(
        files=[file for file in sizes if "/" not in file],
        parameters=getattr(info.safetensors, "total", None) or _fewest_parameters(sizes),
        nbytes=None if None in wanted else sum(size or 0 for size in wanted),
    )


def _fewest_parameters(sizes: dict[str, int | None]) -> int | None:
    """Return how many parameters the files hold at least: as many as there are in float32, the widest type in use."""
    weights = [sizes[file] for file in filter_repo_objects(list(sizes), **WANTED) if file.endswith(".safetensors")]
    return None if None in weights or not weights else sum(size or 0 for size in weights) // 4


def download(
    name: str, revision: str | None, progress: Callable[[float], None] | None = None, nbytes: int | None = None
) -> Path:
    """Fetch the safetensors, configuration and tokenizer of a hub model and return their folder.

    `progress` is called in this thread, some times a second, with the share of `nbytes` (where that is None, of the
    files) that is here; it never falls. What it raises cancels the download. Raises ModelNotFound with one sentence.
    """
    done: Future[Path] = Future()
    received = _Received(nbytes)
    # A thread of its own: the hub's client tells of its bytes from several threads, and from none while it waits for the
    # network, but what listens (a page that can be left) belongs to this one.
    threading.Thread(target=_fetch, args=(name, revision, received, done), daemon=True).start()
    try:
        while not wait([done], timeout=POLL_SECONDS).done:
            if progress is not None:
                progress(received.share)
    except BaseException:
        received.cancelled = True
        _stop_transfers()
        raise
    try:
        folder = done.result()
    except Exception as error:
        raise _explained(name, revision, error) from error
    if progress is not None:
        progress(1.0)
    return folder


def _fetch(name: str, revision: str | None, received: "_Received", done: Future[Any]) -> None:
    try:
        folder = snapshot_download(
            name, revision=revision, etag_timeout=TIMEOUT_SECONDS, tqdm_class=received.bar_class(), **WANTED
        )
    except BaseException as error:
        done.set_exception(error)
    else:
        done.set_result(Path(folder))


class _Received:
    """What has arrived of a download, over all of its bars."""

    def __init__(self, nbytes: int | None):
        self.nbytes, self.bytes, self.files, self.highest, self.cancelled = nbytes, 0, 0.0, 0.0, False

    @property
    def share(self) -> float:
        """The share of the bytes that are here, or of the files where the bytes are not known; it never falls."""
        share = self.bytes / self.nbytes if self.nbytes else self.files
        self.highest = max(self.highest, min(1.0, share))
        return self.highest

    def bar_class(self) -> type[SilentBar]:
        received = self

        class Bar(SilentBar):
            def update(self, n: Any = 1) -> None:
                if received.cancelled:
                    raise Cancelled
                super().update(n)
                # Bytes that arrive and bytes that are written are two bars over the same files.
                if self.unit == "B":
                    received.bytes = max(received.bytes, self.n)
                elif self.total:
                    received.files = self.n / self.total

        return Bar


def _stop_transfers() -> None:
    # The hub's newer storage transfers outside Python, where what a bar raises does not reach. Its client stops such
    # transfers on Ctrl+C only, by this function, which is not part of its documented interface and may go.
    with contextlib.suppress(ImportError, AttributeError, RuntimeError):
        from huggingface_hub.utils._xet import abort_xet_session

        abort_xet_session()


def _explained(name: str, revision: str | None, error: Exception) -> ModelNotFound:
    if isinstance(error, GatedRepoError):
        return ModelNotFound(
            f"“{name}” asks for an agreement on the hub first. Accept it there and log in with “hf auth login”."
        )
    if isinstance(error, RevisionNotFoundError):
        return ModelNotFound(f"“{name}” has no revision “{revision}”. Leave the revision out, or check it on the hub.")
    if isinstance(error, RepositoryNotFoundError | HFValidationError):
        return ModelNotFound(
            f"The hub knows no model “{name}”. Check the spelling: owner/name, as in openai-community/gpt2."
        )
    return ModelNotFound(
        f"The hub could not be reached, so “{name}” was not downloaded. Check the network, or choose the bundled model or a "
        "local folder."
    )
