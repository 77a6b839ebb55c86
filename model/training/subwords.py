"""Subwords: byte-pair encoding learned by sentencepiece, as a fast transformers tokenizer."""

import io
from collections.abc import Iterable

import sentencepiece
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from model.errors import HeadscopeError

SPECIAL_TOKENS = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}


def learn_subwords(
    lines: Iterable[str], size: int, *, lowercase: bool = False, ends: bool = True, limit: int = 512
) -> PreTrainedTokenizerFast:
    """Learn `size` byte-pair subwords (Sennrich et al. 2016; sentencepiece: Kudo & Richardson 2018) and return a tokenizer.

    Ids 0 to 3 are padding, begin, end and unknown. `lowercase` lowers every text; `ends` puts the end token after it;
    `limit` is the number of tokens that the model takes. Raises HeadscopeError where the text is too small for the size.
    """
    written = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter([line.lower() if lowercase else line for line in lines]), model_writer=written,
            model_type="bpe", vocab_size=size, character_coverage=1.0, pad_id=0, bos_id=1, eos_id=2, unk_id=3,
            normalization_rule_name="nfkc", num_threads=1, minloglevel=2, max_sentence_length=1 << 20,
        )  # fmt: skip
    except (RuntimeError, OSError) as error:
        raise HeadscopeError(
            f"No {size} subwords can be learned from this text. Give more text, or ask for fewer."
        ) from error
    learned = sentencepiece.SentencePieceProcessor(model_proto=written.getvalue())
    return as_transformers(learned, lowercase=lowercase, ends=ends, limit=limit)


def as_transformers(
    learned: sentencepiece.SentencePieceProcessor, *, lowercase: bool, ends: bool, limit: int
) -> PreTrainedTokenizerFast:
    """Return the same byte-pair encoding as a fast tokenizer, which knows where in the text each token stands."""
    pieces = [learned.id_to_piece(number) for number in range(len(learned))]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.BPE(vocabulary, _merges(vocabulary), unk_token="<unk>", fuse_unk=True))
    lowering = [normalizers.Lowercase()] if lowercase else []
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), *lowering, normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(split=True)
    tokenizer.decoder = decoders.Metaspace()
    if ends:
        tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 2)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=limit, clean_up_tokenization_spaces=False, padding_side="right",
        model_input_names=["input_ids", "attention_mask"], **SPECIAL_TOKENS,
    )  # fmt: skip


def _merges(vocabulary: dict[str, int]) -> list[tuple[str, str]]:
    """Return the merges in the order they were learned: sentencepiece numbers its pieces so, and keeps no list of them."""
    merges = []
    for piece, number in vocabulary.items():
        for cut in range(1, len(piece)):
            left, right = piece[:cut], piece[cut:]
            if left in vocabulary and right in vocabulary and piece not in SPECIAL_TOKENS.values():
                merges.append((number, vocabulary[left], vocabulary[right], left, right))
    return [(left, right) for *_, left, right in sorted(merges)]
