"""Tiny random models of the first families, built from their configs; no downloads."""

from functools import cache

import torch
import transformers as t

VOCABULARY = 99
_ENCODER = dict(
    vocab_size=VOCABULARY, hidden_size=32, num_hidden_layers=3, num_attention_heads=4, intermediate_size=48,
    max_position_embeddings=64,
)  # fmt: skip
_DECODER = _ENCODER | dict(pad_token_id=0, bos_token_id=1, eos_token_id=2, head_dim=8, num_key_value_heads=2)
_UNEQUAL = dict(
    vocab_size=VOCABULARY, d_model=32, encoder_layers=2, decoder_layers=3, encoder_attention_heads=4,
    decoder_attention_heads=2, encoder_ffn_dim=48, decoder_ffn_dim=48, max_position_embeddings=64, pad_token_id=0,
    bos_token_id=1, eos_token_id=2, decoder_start_token_id=1, forced_eos_token_id=2,
)  # fmt: skip

BUILDERS = {
    "bert": lambda: t.BertModel(t.BertConfig(**_ENCODER)),
    "roberta": lambda: t.RobertaModel(t.RobertaConfig(**_ENCODER, pad_token_id=0)),
    "distilbert": lambda: t.DistilBertModel(
        t.DistilBertConfig(vocab_size=VOCABULARY, dim=32, n_layers=3, n_heads=4, hidden_dim=48, max_position_embeddings=64)
    ),
    "albert": lambda: t.AlbertModel(t.AlbertConfig(**_ENCODER, embedding_size=16)),
    "modernbert": lambda: t.ModernBertModel(
        t.ModernBertConfig(
            **_ENCODER | dict(num_hidden_layers=4), local_attention=6, global_attn_every_n_layers=3, pad_token_id=0,
            bos_token_id=1, eos_token_id=2, cls_token_id=1, sep_token_id=2,
        )
    ),
    "gpt2": lambda: t.GPT2LMHeadModel(
        t.GPT2Config(vocab_size=VOCABULARY, n_embd=32, n_layer=3, n_head=4, n_positions=64, bos_token_id=1, eos_token_id=2)
    ),
    "gpt_neox": lambda: t.GPTNeoXForCausalLM(t.GPTNeoXConfig(**_ENCODER, bos_token_id=1, eos_token_id=2)),
    "opt": lambda: t.OPTForCausalLM(
        t.OPTConfig(
            vocab_size=VOCABULARY, hidden_size=32, num_hidden_layers=3, num_attention_heads=4, ffn_dim=48,
            max_position_embeddings=64, word_embed_proj_dim=32, pad_token_id=0, bos_token_id=1, eos_token_id=2,
        )
    ),
    "llama": lambda: t.LlamaForCausalLM(t.LlamaConfig(**_DECODER)),
    "mistral": lambda: t.MistralForCausalLM(t.MistralConfig(**_DECODER, sliding_window=5)),
    "gemma2": lambda: t.Gemma2ForCausalLM(
        t.Gemma2Config(**_DECODER, sliding_window=5, attn_logit_softcapping=2.0, query_pre_attn_scalar=8)
    ),
    "qwen3": lambda: t.Qwen3ForCausalLM(t.Qwen3Config(**_DECODER)),
    "t5": lambda: t.T5ForConditionalGeneration(
        t.T5Config(
            vocab_size=VOCABULARY, d_model=32, d_kv=8, d_ff=48, num_layers=2, num_decoder_layers=3, num_heads=4,
            pad_token_id=0, eos_token_id=2, decoder_start_token_id=0, relative_attention_num_buckets=8,
        )
    ),
    "bart": lambda: t.BartForConditionalGeneration(t.BartConfig(**_UNEQUAL)),
    "marian": lambda: t.MarianMTModel(t.MarianConfig(**_UNEQUAL)),
    "gpt_oss": lambda: t.GptOssForCausalLM(
        t.GptOssConfig(**_DECODER, sliding_window=5, num_local_experts=2, num_experts_per_tok=1)
    ),
    "bloom": lambda: t.BloomForCausalLM(t.BloomConfig(vocab_size=VOCABULARY, hidden_size=32, n_layer=2, n_head=4)),
}  # fmt: skip

FIRST_FAMILIES = tuple(name for name in BUILDERS if name not in ("gpt_oss", "bloom"))
ENCODER_DECODERS = ("t5", "bart", "marian")


@cache
def tiny(name: str):
    """Return the tiny model of a family, built once, with weights large enough that attention is far from uniform."""
    torch.manual_seed(0)
    model = BUILDERS[name]().eval()
    # T5 does not divide its scores by sqrt(d_head), and is far from uniform as it is.
    factor = 1 if name == "t5" else 4
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(factor)
    return model


def tiny_inputs(name: str, padding: str = "none", length: int = 11) -> dict[str, torch.Tensor]:
    """Return input tensors, three of them padding on the side asked for ("none", "left", "right")."""
    torch.manual_seed(1)
    mask = torch.ones(1, length, dtype=torch.long)
    if padding == "left":
        mask[:, :3] = 0
    if padding == "right":
        mask[:, -3:] = 0
    ids = torch.randint(3, VOCABULARY, (1, length)) * mask
    inputs = {"input_ids": ids, "attention_mask": mask}
    if name in ENCODER_DECODERS:
        inputs["decoder_input_ids"] = torch.randint(3, VOCABULARY, (1, 7))
    return inputs
