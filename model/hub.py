"""Downloads from the hub, and only when the user asked for one."""

from collections.abc import Callable
from pathlib import Path

from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from tqdm.auto import tqdm

from model.errors import Cancelled, ModelNotFound, tell

WANTED = {
    "allow_patterns": ["*.json", "*.safetensors", "*.model", "*.spm", "*.txt", "*.tiktoken", "*.jinja"],
    # Other formats and copies of the same weights, which transformers does not read.
    "ignore_patterns": ["*/*", "consolidated*"],
}
TIMEOUT_SECONDS = 10


def cached_snapshot(name: str, revision: str | None) -> Path | None:
    """Return the folder of a model that was downloaded before, without touching the network, or None."""
    try:
        return Path(snapshot_download(name, revision=revision, local_files_only=True, **WANTED))
    except (LocalEntryNotFoundError, HFValidationError, OSError, ValueError):
        return None


def listing(name: str, revision: str | None) -> tuple[list[str], int | None]:
    """Return the names of a hub model's files, without folders, and its number of parameters where the hub knows it.

    Raises ModelNotFound with one sentence: unknown id, gated, no such revision, or no network.
    """
    try:
        info = HfApi().model_info(name, revision=revision, timeout=TIMEOUT_SECONDS)
    except Exception as error:
        raise _explained(name, revision, error) from error
    counted = getattr(info.safetensors, "total", None)
    return [file.rfilename for file in info.siblings or () if "/" not in file.rfilename], counted


def download(name: str, revision: str | None, progress: Callable[[float], None] | None = None) -> Path:
    """Fetch the safetensors, configuration and tokenizer of a hub model and return their folder.

    `progress` may raise, which cancels the download. Raises ModelNotFound with one sentence.
    """
    try:
        return Path(
            snapshot_download(
                name,
                revision=revision,
                etag_timeout=TIMEOUT_SECONDS,
                tqdm_class=_reporting(progress) if progress else None,
                **WANTED,
            )
        )
    except Cancelled as cancelled:
        raise cancelled.__cause__ from None
    except Exception as error:
        raise _explained(name, revision, error) from error


def _reporting(progress: Callable[[float], None]) -> type[tqdm]:
    class Reporting(tqdm):
        """A progress bar that tells its share instead of drawing itself."""

        def __init__(self, *args, **kwargs):
            kwargs.pop("name", None)
            super().__init__(*args, **{**kwargs, "disable": False, "file": _Silent()})

        def update(self, n=1):
            super().update(n)
            if self.total:
                tell(progress, min(1.0, self.n / self.total))

    return Reporting


class _Silent:
    def write(self, _text):
        pass

    def flush(self):
        pass


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
