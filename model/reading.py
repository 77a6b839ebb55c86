"""From the files of a model to the model: its config, its weights on one device or spread over several, its tokenizer."""

import copy
import shutil
import tempfile
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from os import PathLike
from typing import Any

import torch
import transformers
from transformers import AutoConfig, AutoModel, AutoTokenizer, PreTrainedModel

import model.architectures  # noqa: F401 - makes our own models known to the Auto classes
from model.devices import available_devices, check_memory, is_place
from model.errors import (
    Cancelled,
    HeadscopeError,
    ModelNotFound,
    ModelTooLarge,
    UnsafeModel,
    is_out_of_memory,
    is_panic,
)
from model.model_folder import check_folder
from model.progress_bars import telling_of_weights
from model.sources import LOCAL, ModelFiles
from model.weights_check import unusable, weight_warnings

# What a tokenizer is read from; without any of these transformers makes an empty one, which knows no word.
_TOKENIZER_FILES = ("tokenizer*", "vocab*", "*.model", "*.spm", "*.tiktoken", "*.codes")
SPREADING = ("auto", "balanced", "balanced_low_0", "sequential")


@dataclass(frozen=True)
class Spread:
    """How accelerate spreads a model over devices, the CPU and disk.

    `device_map` is a name of SPREADING or module name -> device ("cpu", "disk", "cuda:0" or 0); `max_memory` is device ->
    bytes, or text such as "2GB". Raises HeadscopeError where `device_map` is neither or names a device that is not here.
    """

    device_map: str | Mapping[str, int | str]
    max_memory: Mapping[int | str, int | str] | None = None
    offload_folder: str | PathLike[str] | None = None

    def __post_init__(self) -> None:
        absent = [place for place in _places(self.device_map) if not is_place(place)]
        if absent:
            raise HeadscopeError(
                f"There is no {absent[0]!r} on this machine. Choose {', '.join(available_devices())} or disk for each module."
            )
        if not isinstance(self.device_map, Mapping) and self.device_map not in SPREADING:
            raise HeadscopeError(
                f"A device_map is one of {', '.join(SPREADING)}, or says for each module of the model where it goes."
            )

    def options(self, folder: str) -> dict[str, Any]:
        """Return what from_pretrained takes, with a folder of its own for what it writes."""
        named = self.device_map if isinstance(self.device_map, str) else dict(self.device_map)
        memory = None if self.max_memory is None else dict(self.max_memory)
        return {"device_map": named, "max_memory": memory, "offload_folder": folder}


def _places(device_map: Any) -> list[Any]:
    return list(device_map.values()) if isinstance(device_map, Mapping) else []


def read_config(files: ModelFiles) -> Any:
    """Return the config; raises UnsafeModel where it needs code of the repository or files elsewhere, and ModelNotFound."""
    # What a package manager or the hub's client put here may be links.
    check_folder(files.folder, files.name, links=files.revision != LOCAL)
    try:
        return AutoConfig.from_pretrained(files.folder, trust_remote_code=False, local_files_only=True)
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


def read_weights(
    files: ModelFiles,
    config: Any,
    dtype: torch.dtype,
    progress: Callable[[float], None] | None = None,
    spread: Spread | None = None,
) -> tuple[PreTrainedModel, tuple[str, ...]]:
    """Return the model, on the CPU or spread, and the sentences about weights that look wrong.

    `progress` is called with the share of the weights that are read; what it raises ends the reading. Raises
    ModelNotFound where the weights cannot be read or do not fit the config, HeadscopeError where they cannot be spread.
    """
    options = dict(
        config=config, dtype=dtype, use_safetensors=True, local_files_only=True, trust_remote_code=False,
        output_loading_info=True, ignore_mismatched_sizes=True,
    )  # fmt: skip
    try:
        if spread is None:
            _check_declared(files, config, dtype)
        with telling_of_weights(progress):
            model, found = _read_spread(files, options, spread) if spread else _from_pretrained(files, options)
        misfit = unusable(model, found)
    except Cancelled as cancelled:
        raise cancelled.reason from None
    except HeadscopeError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise out_of_memory(files.name) from error
        # Whatever a broken or hostile folder makes transformers raise ends here, as one sentence.
        raise ModelNotFound(
            f"The weights of “{files.name}” could not be read ({type(error).__name__}). Check that the folder is complete, "
            "or choose another model."
        ) from error
    if misfit:
        raise ModelNotFound(
            f"The weights of “{files.name}” do not fit its config.json: {misfit}. Check that the two belong together."
        )
    return model, weight_warnings(model, found)


def out_of_memory(name: str) -> ModelTooLarge:
    """Return the error for a model that did not fit after all, since other programs take memory meanwhile."""
    return ModelTooLarge(
        f"The memory ran out while “{name}” was loaded. Free memory, or choose bfloat16 or a smaller model."
    )


def _check_declared(files: ModelFiles, config: Any, dtype: torch.dtype) -> None:
    """Refuse a config whose model would not fit: what the files do not hold is made all the same, of random numbers."""
    try:
        with torch.device("meta"):
            model = _from_config(copy.deepcopy(config))
    except Exception:
        # Some models cannot be built without memory, and a broken config cannot at all: reading the weights says so.
        return
    numbers = sum(tensor.numel() for tensor in (*model.parameters(), *model.buffers()))
    check_memory(files.name, numbers, torch.device("cpu"), dtype)


def _from_config(config: Any) -> PreTrainedModel:
    kind = _kind(config)
    return AutoModel.from_config(config) if kind is AutoModel else kind(config)


def _from_pretrained(files: ModelFiles, options: dict[str, Any]) -> Any:
    return _kind(options["config"]).from_pretrained(files.folder, **options)


def _kind(config: Any) -> Any:
    named = getattr(config, "architectures", None)
    architecture = named[0] if isinstance(named, list) and named else None
    kind = getattr(transformers, architecture, None) if isinstance(architecture, str) else None
    # PreTrainedModel itself is no model, and what transformers notes on it while it tries holds for every class after.
    concrete = isinstance(kind, type) and issubclass(kind, PreTrainedModel) and kind is not PreTrainedModel
    return kind if concrete else AutoModel


def _read_spread(files: ModelFiles, options: dict[str, Any], spread: Spread) -> Any:
    """Read a model through accelerate; what it writes to disk lives exactly as long as the model."""
    try:
        folder = tempfile.mkdtemp(prefix="headscope-offload-", dir=spread.offload_folder)
    except OSError as error:
        raise HeadscopeError(
            "The folder for offloaded weights cannot be written. Make it first, or choose another."
        ) from error
    try:
        model, found = _from_pretrained(files, options | spread.options(folder))
    except ValueError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise HeadscopeError(
            f'“{files.name}” could not be spread over the devices ({error}). Use device_map="auto", or place every module.'
        ) from error
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    weakref.finalize(model, shutil.rmtree, folder, ignore_errors=True)
    return model, found


def read_tokenizer(files: ModelFiles) -> Any:
    """Return the tokenizer of a folder; raises ModelNotFound where there is none."""
    try:
        if not any(path for pattern in _TOKENIZER_FILES for path in files.folder.glob(pattern)):
            raise FileNotFoundError(files.folder)
        return AutoTokenizer.from_pretrained(files.folder, trust_remote_code=False, local_files_only=True)
    except BaseException as error:
        if not (isinstance(error, Exception) or is_panic(error)):
            raise
        raise ModelNotFound(
            f"“{files.name}” has no tokenizer that transformers can read. Save the tokenizer into the same folder, or "
            "use wrap(model) and give tensors."
        ) from error
