"""BLEU and bits per character by hand numbers, and against the tools people know."""

import math

import numpy as np
import pytest
import torch

from model import wrap
from model.architectures import SmallDecoder, SmallDecoderConfig, Transformer, TransformerConfig
from model.errors import HeadscopeError
from model.evaluation.bleu import corpus_bleu, moses_tokens
from model.evaluation.command import add_arguments, run
from model.evaluation.heads import pattern_scores
from model.evaluation.language import language_figures, running_text, token_stream
from model.evaluation.translation import translations
from model.training.subwords import learn_subwords
from tests.tiny_tokenizers import CORPUS

FOUND = ["the cat sat on the mat", "a dog ran (quickly), then slept.", "the the the the"]
REFERENCES = ["the cat sat on a mat", "A dog ran quickly, then it slept.", "the cat is here"]


def test_bleu_by_hand():
    bleu = corpus_bleu(["the cat sat on the mat"], ["the cat sat on a red mat"])
    assert bleu.precisions == pytest.approx((5 / 6, 3 / 5, 2 / 4, 1 / 3))
    assert bleu.brevity == pytest.approx(math.exp(1 - 7 / 6))
    assert bleu.score == pytest.approx(100 * math.exp(-1 / 6) * (5 / 6 * 3 / 5 * 2 / 4 / 3) ** 0.25)
    # A word counts as often as it stands in the reference, and no more.
    assert corpus_bleu(["the the the the"], ["the cat is here"]).precisions[0] == 1 / 4
    assert corpus_bleu(["a b c"], ["a b c"]).score == 0
    assert corpus_bleu(["A B c d"], ["a b c d"], lowercase=True).score == pytest.approx(100)


def test_bleu_is_that_of_sacrebleu():
    metrics = pytest.importorskip("sacrebleu.metrics")
    tokenized = [[" ".join(moses_tokens(text.lower())) for text in side] for side in (FOUND, REFERENCES)]
    theirs = metrics.BLEU(tokenize="none", force=True).corpus_score(tokenized[0], [tokenized[1]])
    ours = corpus_bleu(FOUND, REFERENCES, lowercase=True)
    assert ours.score == pytest.approx(theirs.score, abs=1e-9)
    assert (ours.length, ours.reference_length) == (theirs.sys_len, theirs.ref_len)


def test_words_as_moses_cuts_them():
    text = 'A "T-shirt", the boy\'s 1,000 balls (red) e.g. here.'
    assert " ".join(moses_tokens(text)) == 'A " T-shirt " , the boy\'s 1,000 balls ( red ) e.g. here .'
    assert moses_tokens("Wait...") == ["Wait..."]
    assert moses_tokens("Ende.«") == ["Ende", ".", "«"]


def test_numbers_of_sentences_must_agree():
    for found, references in ((["a"], ["a", "b"]), ([], [])):
        with pytest.raises(HeadscopeError):
            corpus_bleu(found, references)


def uniform_decoder(size: int) -> SmallDecoder:
    """A model that expects every token alike."""
    model = SmallDecoder(SmallDecoderConfig(vocab_size=size, d_model=8, d_ff=8, heads=2, layers=1)).eval()
    with torch.no_grad():
        model.norm.weight.zero_()
    return model


@pytest.mark.parametrize("context", [4, 7, 64])
def test_bits_per_character_of_a_model_that_knows_nothing(context):
    tokenizer = learn_subwords(CORPUS, 330, running_text=True)
    text = running_text("\n\n".join(CORPUS[:3]))
    figures = language_figures(uniform_decoder(len(tokenizer)), tokenizer, text, context=context)
    tokens = len(token_stream(tokenizer, text)) - 1
    assert figures.tokens == tokens
    assert figures.characters == sum(map(len, CORPUS[:3])) + 2
    assert figures.bits_per_character == pytest.approx(
        tokens * math.log2(len(tokenizer)) / figures.characters, rel=1e-6
    )
    assert figures.unknown == 0


def test_every_token_is_predicted_once_with_what_came_before():
    tokenizer = learn_subwords(CORPUS, 330, running_text=True)
    torch.manual_seed(0)
    sizes = dict(d_model=16, d_ff=16, heads=2, layers=1, positions="none", max_position_embeddings=999)
    model = SmallDecoder(SmallDecoderConfig(vocab_size=len(tokenizer), **sizes)).eval()
    text = running_text("\n\n".join(CORPUS[:4]))
    ids = token_stream(tokenizer, text)
    with torch.no_grad():
        log_p = model(input_ids=ids[None, :-1]).logits[0].log_softmax(-1)
    whole = -float(log_p.gather(1, ids[1:, None]).sum()) / math.log(2) / len(text)
    assert language_figures(model, tokenizer, text, context=len(ids)).bits_per_character == pytest.approx(
        whole, rel=1e-5
    )
    shorter = language_figures(model, tokenizer, text, context=6).bits_per_character
    assert shorter == pytest.approx(whole, rel=0.1)
    assert shorter != pytest.approx(whole, rel=1e-5)


def test_running_text_joins_wrapped_lines():
    assert running_text("One\r\nline.\r\n\r\n \n  Two\n  lines.\n\n\n") == "One line.\nTwo lines."
    with pytest.raises(HeadscopeError, match="no text"):
        language_figures(
            uniform_decoder(330), learn_subwords(CORPUS, 330, running_text=True), running_text(" \n"), context=8
        )


def test_the_command_measures_a_folder(tmp_path, capsys):
    import argparse

    tokenizer = learn_subwords(CORPUS, 330, running_text=True, limit=32)
    model = uniform_decoder(len(tokenizer))
    model.save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    (tmp_path / "text.txt").write_text(CORPUS[0], encoding="utf-8")
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    given = ["language", "--model", str(tmp_path / "model"), "--text", str(tmp_path / "text.txt"), "--device", "cpu"]
    assert run(parser.parse_args(given)) == 0
    tokens = len(tokenizer(CORPUS[0])["input_ids"])
    assert f"all: {tokens * math.log2(330) / len(CORPUS[0]):.4f} bits per character" in capsys.readouterr().out
    wrong = ["translation", *given[1:3], "--source", given[4], "--reference", given[4], "--device", "cpu"]
    with pytest.raises(HeadscopeError, match="no encoder-decoder"):
        run(parser.parse_args(wrong))


def test_scores_of_a_model_that_attends_alike():
    model = uniform_decoder(30)
    with torch.no_grad():
        model.blocks[0].self_attention.query.weight.zero_()
    scores = pattern_scores(wrap(model), period=4, sequences=2)
    assert scores.induction.shape == scores.previous_token.shape == (1, 2)
    assert scores.induction[0, 0] == pytest.approx(np.mean([1 / (query + 1) for query in range(4, 8)]))
    assert scores.previous_token[0, 1] == pytest.approx(np.mean([1 / (query + 1) for query in range(1, 8)]))
    with pytest.raises(HeadscopeError, match="at most 128 for 2 repeats"):
        pattern_scores(wrap(model), period=200)


def test_translations_come_in_their_order_whatever_stands_beside_them():
    tokenizer = learn_subwords(CORPUS, 60, lowercase=True)
    torch.manual_seed(0)
    sizes = dict(d_model=16, d_ff=16, heads=2, encoder_layers=1, decoder_layers=1)
    model = Transformer(TransformerConfig(vocab_size=len(tokenizer), **sizes)).eval()
    with torch.no_grad():
        model.decoder.blocks[0].cross_attention.value.weight.mul_(8)
    sentences = ["the cats cross", "it", "the animal rains because the streets cross it", "tired cats"]
    for beams in (1, 3):
        alone = [translations(model, tokenizer, [sentence], beams=beams, longest=6)[0] for sentence in sentences]
        assert len(set(alone)) > 1
        assert translations(model, tokenizer, sentences, beams=beams, longest=6, batch_tokens=40) == alone
