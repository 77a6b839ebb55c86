"""Our own models as transformers PreTrainedModels; importing this package makes them known to the Auto classes."""

from transformers import AutoConfig, AutoModel, AutoModelForSeq2SeqLM

from model.architectures.configuration import TransformerConfig
from model.architectures.transformer import Transformer

AutoConfig.register(TransformerConfig.model_type, TransformerConfig)
AutoModel.register(TransformerConfig, Transformer)
AutoModelForSeq2SeqLM.register(TransformerConfig, Transformer)

__all__ = ["Transformer", "TransformerConfig"]
