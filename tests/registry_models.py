"""Tiny random models of every model type in transformers' own registry, built from their configs; no downloads."""

import copy
import dataclasses
import inspect
import math

import torch
import transformers
from torch import nn
from transformers import AutoConfig, PreTrainedConfig, PreTrainedModel
from transformers.models.auto import modeling_auto
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.pytorch_utils import Conv1D

from tests.registry_overrides import OVERRIDES, SIZES, SPREAD

VOCABULARY = 99
# Ids above these stand for special things (an image, the end); no random input holds one.
ORDINARY_IDS = range(3, 70)
TOKENS, TARGET_TOKENS = 11, 7
# Where a model class is looked for, best first: the bare model, then what has a language-model head.
MAPPINGS = (
    "MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES",
    "MODEL_MAPPING_NAMES",
    "MODEL_FOR_CAUSAL_LM_MAPPING_NAMES",
    "MODEL_FOR_MASKED_LM_MAPPING_NAMES",
    "MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING_NAMES",
    "MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES",
    "MODEL_FOR_PRETRAINING_MAPPING_NAMES",
    "MODEL_FOR_BACKBONE_MAPPING_NAMES",
)


def model_types() -> tuple[str, ...]:
    """Return every model type for which transformers' registry names a model class."""
    return tuple(name for name in CONFIG_MAPPING if _class_name(name) is not None)


def build(model_type: str) -> PreTrainedModel:
    """Return a tiny model of this type with random weights under which attention is far from uniform."""
    config = shrunken(CONFIG_MAPPING[model_type], OVERRIDES.get(model_type, {}))
    torch.manual_seed(0)
    model = getattr(transformers, _class_name(model_type))(config).eval()
    _spread(model, SPREAD.get(model_type, 1.5))
    return model


def eager_twin(model: PreTrainedModel) -> PreTrainedModel:
    """Return a second model with the same weights, built for eager attention from the start."""
    config = copy.deepcopy(model.config)
    for part in (config, *(getattr(config, name) for name in config.sub_configs if getattr(config, name) is not None)):
        part._attn_implementation_internal = "eager"
    twin = type(model)._from_config(config, attn_implementation="eager").eval()
    twin.load_state_dict(model.state_dict())
    return twin


def shrunken(kind: type[PreTrainedConfig], overrides: dict | None = None) -> PreTrainedConfig:
    """Return a config of this class with small sizes everywhere, also in the configs that it contains."""
    overrides = overrides or {}
    defaults = _defaults(kind)
    chosen = {name: SIZES[name] for name in defaults if name in SIZES and defaults[name] is not None}
    if defaults.get("kv_lora_rank") is not None and "num_key_value_heads" in chosen:
        # Keys that are made from one low-rank vector have as many heads as the queries (DeepSeek-V2 2024).
        chosen["num_key_value_heads"] = chosen["num_attention_heads"]
    for name, default in defaults.items():
        if _is_token_id(name, default):
            chosen[name] = _small_token_id(name)
    for name in getattr(kind, "sub_configs", {}):
        nested = _nested_kind(kind, name)
        if nested is not None:
            chosen[name] = shrunken(nested, overrides.get(name))
    plain = {name: value for name, value in overrides.items() if name not in kind.sub_configs or name not in chosen}
    return kind(**{**chosen, **plain})


def inputs_of(model: PreTrainedModel, padding: str = "none") -> dict[str, torch.Tensor]:
    """Return input tensors as the model takes them, three of the tokens padding on the side asked for."""
    torch.manual_seed(1)
    inputs = _main_input(model, padding)
    if model.config.is_encoder_decoder and "decoder_input_ids" in _parameters(model):
        inputs["decoder_input_ids"] = torch.randint(ORDINARY_IDS.start, ORDINARY_IDS.stop, (1, TARGET_TOKENS))
    if "bbox" in _parameters(model):
        inputs["bbox"] = torch.randint(1, 9, (1, TOKENS, 4)).sort(dim=-1).values
    if model.config.model_type == "vit_mae":
        # The patches that it hides are drawn anew in every run, unless this says which.
        inputs["noise"] = torch.rand(1, 16)
    return inputs


def _main_input(model: PreTrainedModel, padding: str) -> dict[str, torch.Tensor]:
    config, name = model.config, model.main_input_name
    if "input_values" in _parameters(model) and name != "input_ids":
        spectrogram = config.model_type == "audio-spectrogram-transformer"
        return {"input_values": torch.randn(1, 16, 16) if spectrogram else torch.randn(1, 320)}
    if "input_features" in _parameters(model) and name != "input_ids":
        frames = getattr(config, "max_source_positions", 20) * 2 if hasattr(config, "num_mel_bins") else 20
        bins = getattr(config, "num_mel_bins", None) or getattr(config, "feature_projection_input_dim", None) or 16
        return {
            "input_features": torch.randn(1, bins, frames)
            if hasattr(config, "num_mel_bins")
            else torch.randn(1, frames, bins)
        }
    if name == "pixel_values":
        frames = (config.num_frames,) if hasattr(config, "num_frames") else ()
        return {"pixel_values": torch.randn(1, *frames, *_image_shape(config))}
    mask = torch.ones(1, TOKENS, dtype=torch.long)
    if padding != "none":
        mask[:, slice(0, 3) if padding == "left" else slice(-3, None)] = 0
    inputs = {"input_ids": torch.randint(ORDINARY_IDS.start, ORDINARY_IDS.stop, (1, TOKENS)) * mask}
    return inputs if padding == "none" else {**inputs, "attention_mask": mask}


def _parameters(model: PreTrainedModel) -> set[str]:
    return set(inspect.signature(model.forward).parameters)


def _image_shape(config: PreTrainedConfig) -> tuple[int, int, int]:
    side = getattr(config, "image_size", 16)
    height, width = side if isinstance(side, list | tuple) else (side, side)
    return getattr(config, "num_channels", 3), height, width


def _class_name(model_type: str) -> str | None:
    for mapping in MAPPINGS:
        named = getattr(modeling_auto, mapping).get(model_type)
        if named is not None:
            return named if isinstance(named, str) else named[0]
    return None


def _defaults(kind: type[PreTrainedConfig]) -> dict:
    if dataclasses.is_dataclass(kind):
        own = {field.name: field.default for field in dataclasses.fields(kind)}
        return {name: None if value is dataclasses.MISSING else value for name, value in own.items()}
    parameters = inspect.signature(kind.__init__).parameters
    return {name: None if given.default is given.empty else given.default for name, given in parameters.items()}


def _nested_kind(kind: type[PreTrainedConfig], name: str) -> type[PreTrainedConfig] | None:
    declared = kind.sub_configs[name]
    if declared is not AutoConfig:
        return declared
    value = getattr(kind(), name, None)
    return type(value) if isinstance(value, PreTrainedConfig) else None


def _is_token_id(name: str, default) -> bool:
    return (
        name.endswith(("token_id", "token_index", "_token"))
        and isinstance(default, int)
        and not isinstance(default, bool)
    )


def _small_token_id(name: str) -> int:
    known = {"pad_token_id": 0, "bos_token_id": 1, "decoder_start_token_id": 1, "eos_token_id": 2}
    return known.get(name, ORDINARY_IDS.stop + sum(map(ord, name)) % (VOCABULARY - ORDINARY_IDS.stop))


def _spread(model: nn.Module, spread: float) -> None:
    """Give linear layers and embeddings weights with which activations stay near one, so that attention is not uniform."""
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.Linear | Conv1D):
                inward = module.weight.shape[0 if isinstance(module, Conv1D) else 1]
                module.weight.normal_(0.0, spread / math.sqrt(inward))
            if isinstance(module, nn.Embedding):
                module.weight.normal_()
