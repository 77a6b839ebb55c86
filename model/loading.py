"""load_model and wrap: from a name, a folder or a model of one's own to a LoadedModel."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from os import PathLike
from typing import Any
from weakref import WeakKeyDictionary

import torch
from transformers import PreTrainedModel

from model.devices import check_memory, choose_device, choose_dtype
from model.errors import HeadscopeError
from model.fair_lock import FairLock
from model.reading import Spread, out_of_memory, read_config, read_tokenizer, read_weights
from model.sources import locate

Progress = Callable[[float, str], None]
# One lock per model, whoever wraps it: two runs at a time would undo each other's settings.
_locks: WeakKeyDictionary[PreTrainedModel, FairLock] = WeakKeyDictionary()
_locks_lock = threading.Lock()


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A model ready to record from; `tokenizer` may be None, `position_limit` is in tokens (None: no fixed limit).

    `warnings` are sentences about weights that look wrong, where `load_model` found any.
    """

    model: PreTrainedModel
    tokenizer: Any
    name: str
    revision: str
    position_limit: int | None
    warnings: tuple[str, ...] = ()

    @property
    def lock(self) -> FairLock:
        """The lock of the model, held by every run of it; whoever waits for it has a turn in every round."""
        with _locks_lock:
            return _locks.setdefault(self.model, FairLock())

    @property
    def device(self) -> torch.device:
        """The device that inputs go to: that of the embeddings, also while their weights are offloaded."""
        embeddings = next((module for module in self.model.modules() if isinstance(module, torch.nn.Embedding)), None)
        # accelerate keeps an offloaded weight as an empty one, and says in its hook where the module runs.
        device = getattr(getattr(embeddings, "_hf_hook", None), "execution_device", None)
        if device is not None:
            return torch.device(device)
        weights = self.model.parameters() if embeddings is None else embeddings.parameters()
        return next(weights).device

    @property
    def dtype(self) -> torch.dtype:
        """The type of the model's first floating-point parameter."""
        return next((weight.dtype for weight in self.model.parameters() if weight.is_floating_point()), torch.float32)

    @property
    def is_encoder_decoder(self) -> bool:
        """Whether the model has an encoder, a decoder and cross-attention between them."""
        return bool(getattr(self.model.config, "is_encoder_decoder", False)) and not _is_encoder_part(self.model)

    @property
    def caches(self) -> bool:
        """Whether the model takes `use_cache`, which is switched off while recording."""
        return getattr(self.model.config, "use_cache", None) is not None

    @property
    def nbytes(self) -> int:
        """Memory of the weights, in bytes, those on disk included."""
        return sum(weight.nbytes for weight in self.model.parameters())


def load_model(
    name: str,
    *,
    device: str = "auto",
    dtype: str = "auto",
    revision: str | None = None,
    device_map: str | Mapping[str, int | str] | None = None,
    max_memory: Mapping[int | str, int | str] | None = None,
    offload_folder: str | PathLike[str] | None = None,
    progress: Progress | None = None,
) -> LoadedModel:
    """Load a bundled model, a local folder or a hub id; safetensors only, and never code from a repository.

    `device` is "auto", "cuda", "mps" or "cpu"; `dtype` is "auto" (float32, on CUDA what the checkpoint has), "float32",
    "bfloat16" or "float16". `device_map` instead of `device` spreads a model larger than one device over several, the
    CPU and disk, through accelerate: "auto", or module name -> device; `max_memory` is device -> bytes, as in {0: "20GB",
    "cpu": "60GB"}. What that writes goes into a temporary folder, inside `offload_folder` where one is given, and goes
    with the model. `progress` is called with the done share and what is being done, and may raise to cancel.

    Raises ModelNotFound, UnsafeModel, ModelTooLarge, or HeadscopeError with one sentence that says what to do.
    """
    report = _Rising(progress)
    report.tell(0.0, "Looking for the model")
    target_device = choose_device(device)
    spread = _spread(device, device_map, max_memory, offload_folder)

    def accept(parameters: int | None) -> None:
        if parameters is not None and spread is None:
            check_memory(name, parameters, target_device, choose_dtype(dtype, target_device))

    files = locate(name, revision=revision, accept=accept, progress=report.part("Downloading", 0.0, 0.7))
    config = read_config(files)
    target_dtype = choose_dtype(dtype, target_device, getattr(config, "dtype", None))
    parameters = files.count_parameters()
    if spread is None:
        check_memory(files.name, parameters, target_device, target_dtype)
    model, warnings = read_weights(
        files, config, target_dtype, report.part("Reading weights", report.share, 0.95), spread
    )
    if spread is None:
        report.tell(0.95, f"Moving to {target_device}")
        try:
            model.to(target_device)  # type: ignore[arg-type]  # as transformers declares it
        except torch.OutOfMemoryError as error:
            raise out_of_memory(files.name) from error
    tokenizer = read_tokenizer(files)
    report.tell(1.0, "Ready")
    return LoadedModel(model.eval(), tokenizer, files.name, files.revision, position_limit(model, tokenizer), warnings)


class _Rising:
    """Tells the share of the whole from the shares of its parts; `share` is what was told last."""

    def __init__(self, progress: Progress | None):
        self.progress, self.share = progress, 0.0

    def tell(self, share: float, doing: str) -> None:
        self.share = max(self.share, share)
        if self.progress is not None:
            self.progress(self.share, doing)

    def part(self, doing: str, first: float, last: float) -> Callable[[float], None]:
        return lambda share: self.tell(first + (last - first) * share, doing)


def _spread(
    device: str,
    device_map: str | Mapping[str, int | str] | None,
    max_memory: Mapping[int | str, int | str] | None,
    offload_folder: str | PathLike[str] | None,
) -> Spread | None:
    if device_map is None:
        if max_memory is not None or offload_folder is not None:
            raise HeadscopeError('max_memory and offload_folder go with a device_map. Give device_map="auto" too.')
        return None
    if device != "auto":
        raise HeadscopeError("A model goes to one device or is spread by a device_map. Give one of the two.")
    return Spread(device_map, max_memory, offload_folder)


def wrap(model: PreTrainedModel, tokenizer: Any = None, name: str | None = None) -> LoadedModel:
    """Return a LoadedModel around a transformers model of one's own, which stays as it is; tokenizer may be None.

    Raises HeadscopeError where it is no transformers model.
    """
    if not isinstance(model, PreTrainedModel):
        raise HeadscopeError(f"wrap takes a transformers model (a PreTrainedModel), not a {type(model).__name__}.")
    name = name or getattr(model.config, "_name_or_path", "") or f"{model.config.model_type} (own)"
    revision = getattr(model.config, "_commit_hash", None) or "local"
    return LoadedModel(model, tokenizer, name, revision, position_limit(model, tokenizer))


def position_limit(model: PreTrainedModel, tokenizer: Any) -> int | None:
    """Return how many tokens the model takes: the smaller of its position embeddings and its tokenizer's own limit."""
    config = model.config.get_text_config() if hasattr(model.config, "get_text_config") else model.config
    limits = [getattr(config, "max_position_embeddings", None), getattr(tokenizer, "model_max_length", None)]
    for module_name, module in model.named_modules():
        # RoBERTa and its family count positions from padding_idx + 1, so the first rows of the table are never used.
        if module_name.endswith("position_embeddings") and getattr(module, "padding_idx", None) is not None:
            limits.append(module.weight.shape[0] - module.padding_idx - 1)
    return min((int(limit) for limit in limits if isinstance(limit, int) and 0 < limit < 10**9), default=None)


def _is_encoder_part(model: PreTrainedModel) -> bool:
    """Say whether only the encoder of an encoder-decoder was built (T5EncoderModel and the like)."""
    names = {name for name, _ in model.named_modules()}
    return not any(name.split(".")[-1] == "decoder" for name in names)
