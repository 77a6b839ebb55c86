"""load_model and wrap: from a name, a folder or a model of one's own to a LoadedModel."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import torch
import transformers
from transformers import AutoConfig, AutoModel, AutoTokenizer, PreTrainedModel

from model.devices import check_memory, choose_device, choose_dtype
from model.errors import HeadscopeError, ModelNotFound, UnsafeModel
from model.sources import ModelFiles, locate

Progress = Callable[[float, str], None]
# One lock per model, whoever wraps it: two runs at a time would undo each other's settings.
_locks: WeakKeyDictionary[PreTrainedModel, threading.RLock] = WeakKeyDictionary()
_locks_lock = threading.Lock()
# What a tokenizer is read from; without any of these transformers makes an empty one, which knows no word.
_TOKENIZER_FILES = ("tokenizer*", "vocab*", "*.model", "*.spm", "*.tiktoken", "*.codes")


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A model ready to record from; `tokenizer` may be None, `position_limit` is in tokens (None: no fixed limit)."""

    model: PreTrainedModel
    tokenizer: object | None
    name: str
    revision: str
    position_limit: int | None

    @property
    def lock(self) -> threading.RLock:
        """The lock of the model, held by every run of it."""
        with _locks_lock:
            return _locks.setdefault(self.model, threading.RLock())

    @property
    def device(self) -> torch.device:
        """The device of the model's first parameter."""
        return next(self.model.parameters()).device

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
        """Memory of the weights, in bytes."""
        return sum(weight.nbytes for weight in self.model.parameters())


def load_model(
    name: str,
    *,
    device: str = "auto",
    dtype: str = "auto",
    revision: str | None = None,
    progress: Progress | None = None,
) -> LoadedModel:
    """Load a bundled model, a local folder or a hub id; safetensors only, and never code from a repository.

    `device` is "auto", "cuda", "mps" or "cpu"; `dtype` is "auto" (float32, on CUDA what the checkpoint has), "float32",
    "bfloat16" or "float16". `progress` is called with the done share and what is being done.

    Raises ModelNotFound, UnsafeModel, ModelTooLarge, or HeadscopeError with one sentence that says what to do.
    """
    tell = progress or (lambda _share, _doing: None)
    tell(0.0, "Looking for the model")
    target_device = choose_device(device)

    def accept(parameters: int | None) -> None:
        if parameters is not None:
            check_memory(name, parameters, target_device, choose_dtype(dtype, target_device))

    files = locate(name, revision=revision, accept=accept, progress=lambda share: tell(0.7 * share, "Downloading"))
    config = _read_config(files)
    target_dtype = choose_dtype(dtype, target_device, getattr(config, "dtype", None))
    check_memory(files.name, files.count_parameters(), target_device, target_dtype)
    tell(0.75, "Reading weights")
    model = _read_weights(files, config, target_dtype)
    tell(0.95, f"Moving to {target_device}")
    model = model.to(target_device).eval()
    tokenizer = _read_tokenizer(files)
    tell(1.0, "Ready")
    return LoadedModel(model, tokenizer, files.name, files.revision, position_limit(model, tokenizer))


def wrap(model: PreTrainedModel, tokenizer=None, name: str | None = None) -> LoadedModel:
    """Return a LoadedModel around a transformers model of one's own, which stays as it is; tokenizer may be None.

    Raises HeadscopeError where it is no transformers model.
    """
    if not isinstance(model, PreTrainedModel):
        raise HeadscopeError(f"wrap takes a transformers model (a PreTrainedModel), not a {type(model).__name__}.")
    name = name or getattr(model.config, "_name_or_path", "") or f"{model.config.model_type} (own)"
    revision = getattr(model.config, "_commit_hash", None) or "local"
    return LoadedModel(model, tokenizer, name, revision, position_limit(model, tokenizer))


def position_limit(model: PreTrainedModel, tokenizer) -> int | None:
    """Return how many tokens the model takes: the smaller of its position embeddings and its tokenizer's own limit."""
    config = model.config.get_text_config() if hasattr(model.config, "get_text_config") else model.config
    limits = [getattr(config, "max_position_embeddings", None), getattr(tokenizer, "model_max_length", None)]
    for module_name, module in model.named_modules():
        # RoBERTa and its family count positions from padding_idx + 1, so the first rows of the table are never used.
        if module_name.endswith("position_embeddings") and getattr(module, "padding_idx", None) is not None:
            limits.append(module.weight.shape[0] - module.padding_idx - 1)
    limits = [int(limit) for limit in limits if isinstance(limit, int) and 0 < limit < 10**9]
    return min(limits, default=None)


def _is_encoder_part(model: PreTrainedModel) -> bool:
    """Say whether only the encoder of an encoder-decoder was built (T5EncoderModel and the like)."""
    names = {name for name, _ in model.named_modules()}
    return not any(name.split(".")[-1] == "decoder" for name in names)


def _read_config(files: ModelFiles):
    try:
        config = AutoConfig.from_pretrained(files.folder, trust_remote_code=False, local_files_only=True)
    except Exception as error:
        # Whatever a broken or hostile config.json makes transformers raise ends here, as one sentence.
        if "trust_remote_code" in str(error) or "custom code" in str(error):
            raise UnsafeModel(
                f"“{files.name}” needs code from its repository, which Headscope never runs. Choose a model that "
                "transformers supports by itself."
            ) from error
        raise ModelNotFound(
            f"The config.json of “{files.name}” cannot be read by transformers {transformers.__version__}. Check the "
            "folder, or choose another model."
        ) from error
    return config


def _read_weights(files: ModelFiles, config, dtype: torch.dtype) -> PreTrainedModel:
    named = getattr(config, "architectures", None)
    architecture = named[0] if isinstance(named, list) and named else None
    kind = getattr(transformers, architecture, None) if isinstance(architecture, str) else None
    kind = kind if isinstance(kind, type) and issubclass(kind, PreTrainedModel) else AutoModel
    try:
        return kind.from_pretrained(
            files.folder,
            config=config,
            dtype=dtype,
            use_safetensors=True,
            local_files_only=True,
            **({"trust_remote_code": False} if kind is AutoModel else {}),
        )
    except Exception as error:
        # Whatever a broken or hostile folder makes transformers raise ends here, as one sentence.
        raise ModelNotFound(
            f"The weights of “{files.name}” could not be read ({type(error).__name__}). Check that the folder is complete, "
            "or choose another model."
        ) from error


def _read_tokenizer(files: ModelFiles):
    try:
        if not any(path for pattern in _TOKENIZER_FILES for path in files.folder.glob(pattern)):
            raise FileNotFoundError(files.folder)
        return AutoTokenizer.from_pretrained(files.folder, trust_remote_code=False, local_files_only=True)
    except Exception as error:
        raise ModelNotFound(
            f"“{files.name}” has no tokenizer that transformers can read. Save the tokenizer into the same folder, or "
            "use wrap(model) and give tensors."
        ) from error
