"""Our own models as transformers PreTrainedModels; importing this package makes them known to the Auto classes."""

from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoModelForSeq2SeqLM

from model.architectures.configuration import RecurrentSearchConfig, SmallDecoderConfig, TransformerConfig
from model.architectures.recurrent_search import RecurrentSearch
from model.architectures.small_decoder import SmallDecoder
from model.architectures.transformer import Transformer

for _config, _model, _task in (
    (TransformerConfig, Transformer, AutoModelForSeq2SeqLM),
    (RecurrentSearchConfig, RecurrentSearch, AutoModelForSeq2SeqLM),
    (SmallDecoderConfig, SmallDecoder, AutoModelForCausalLM),
):
    AutoConfig.register(_config.model_type, _config, exist_ok=True)
    AutoModel.register(_config, _model, exist_ok=True)
    _task.register(_config, _model, exist_ok=True)

__all__ = [
    "RecurrentSearch", "RecurrentSearchConfig", "SmallDecoder", "SmallDecoderConfig", "Transformer", "TransformerConfig",
]  # fmt: skip
