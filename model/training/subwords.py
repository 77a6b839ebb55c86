"""Subwords: byte-pair encoding learned by sentencepiece, as a fast transformers tokenizer."""

import io
from collections.abc import Iterable

import sentencepiece
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from model.errors import HeadscopeError

SPECIAL_TOKENS = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
# sentencepiece reads lines and so never sees a line's end: its piece is reserved under this name.
_LINE_END = "<line end>"


def learn_subwords(
    lines: Iterable[str], size: int, *, lowercase: bool = False, running_text: bool = False, limit: int = 512
) -> PreTrainedTokenizerFast:
    """Learn `size` byte-pair subwords (Sennrich et al. 2016; sentencepiece: Kudo & Richardson 2018) and return a tokenizer.

    Ids 0 to 3 are padding, begin, end and unknown. `lowercase` lowers every text; `limit` is the number of tokens that the
    model takes. A sentence is followed by the end token; `running_text` is not, keeps its line ends as tokens, and writes
    characters that were never seen as bytes. Raises HeadscopeError where the text is too small for the size.
    """
    written = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter([line.lower() if lowercase else line for line in lines]), model_writer=written,
            model_type="bpe", vocab_size=size, character_coverage=0.9999 if running_text else 1.0, pad_id=0, bos_id=1,
            eos_id=2, unk_id=3, byte_fallback=running_text, user_defined_symbols=[_LINE_END] if running_text else [],
            normalization_rule_name="nfkc", num_threads=1, minloglevel=2, max_sentence_length=1 << 20,
        )  # fmt: skip
    except (RuntimeError, OSError) as error:
        raise HeadscopeError(
            f"No {size} subwords can be learned from this text. Give more text, or ask for fewer."
        ) from error
    learned = sentencepiece.SentencePieceProcessor(model_proto=written.getvalue())
    return as_transformers(learned, lowercase=lowercase, running_text=running_text, limit=limit)


def as_transformers(
    learned: sentencepiece.SentencePieceProcessor, *, lowercase: bool, running_text: bool, limit: int
) -> PreTrainedTokenizerFast:
    """Return the same byte-pair encoding as a fast tokenizer, which knows where in the text each token stands."""
    pieces = [learned.id_to_piece(number).replace(_LINE_END, "\n") for number in range(len(learned))]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = Tokenizer(
        models.BPE(vocabulary, _merges(learned), unk_token="<unk>", fuse_unk=True, byte_fallback=running_text)
    )
    blanks = r"[^\S\n]+" if running_text else r"\s+"
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.NFKC(),
            *([normalizers.Lowercase()] if lowercase else []),
            normalizers.Replace(Regex(blanks), " "),
            normalizers.Strip(),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(split=True)
    tokenizer.decoder = decoders.Metaspace()
    if running_text:
        tokenizer.add_tokens([AddedToken("\n", normalized=False)])
        tokenizer.decoder = decoders.Sequence(
            [
                decoders.ByteFallback(),
                decoders.Fuse(),
                decoders.Replace(Regex("^▁|(?<=\n)▁"), ""),
                decoders.Replace("▁", " "),
            ]
        )
    else:
        tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 2)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=limit, clean_up_tokenization_spaces=False, padding_side="right",
        model_input_names=["input_ids", "attention_mask"], **SPECIAL_TOKENS,
    )  # fmt: skip


def _merges(learned: sentencepiece.SentencePieceProcessor) -> list[tuple[str, str]]:
    """Return the merges in the order they were learned: sentencepiece scores its pieces so, and keeps no list of them."""
    plain = [
        number
        for number in range(len(learned))
        if not (learned.is_control(number) or learned.is_unknown(number) or learned.is_byte(number))
    ]
    rank = {learned.id_to_piece(number): -learned.get_score(number) for number in plain}
    order = {learned.id_to_piece(number): number for number in plain}
    merges = [
        (rank[piece], order[piece[:cut]], order[piece[cut:]], piece[:cut], piece[cut:])
        for piece in rank
        if piece != _LINE_END
        for cut in range(1, len(piece))
        if piece[:cut] in rank and piece[cut:] in rank
    ]
    return [(left, right) for *_, left, right in sorted(merges)]
