"""Every role score of every head over a corpus, beside the forward pass alone and other ways: `python -m benchmarks.study`.

Prints how fast a study is (reading, tokenizing, scoring and adding up of all texts; not its fixed part, the random tokens and
the sample) beside

  (a) the plain batched forward pass with fused attention over the same batches, which computes no score at all,
  (b) the loop that most notebooks have: eager attention weights, a sentence at a time, a Python loop over heads,
  (c) the patterns that TransformerLens caches, a sentence at a time, where it is installed (decoder only),

the latter two for nine of the scores alone. For the bundled encoder and a random decoder of GPT-2-small's size, in one run and on
one thread; all take turns, the ratios are medians over rounds, and seconds are those of the processor, so that other work on
the machine hardly counts.
"""

import random
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from transformers import GPT2Config, GPT2LMHeadModel, GPT2Model

from benchmarks.batches import WORDS
from benchmarks.measuring import processor_seconds
from model import load_model, wrap
from model.encoding import encode
from model.loading import LoadedModel
from model.study.chunks import CHUNK, batches, chunk_moments, tokens_together
from model.study.corpus import Corpus, StudyText, read_corpus
from model.study.encoding import TextEncoder
from model.study.measuring import Measurer, ScoredWith
from model.study.survey import pieces, survey
from model.weight_stream import attention_only

ROUNDS = 3
ENCODER_TEXTS, DECODER_TEXTS = 1024, 256


def sentences(count: int) -> list[str]:
    """Return sentences of 8 to 24 words, the same in every run."""
    chooser = random.Random(0)
    return [" ".join(chooser.choices(WORDS, k=chooser.randint(8, 24))) for _ in range(count)]


def study(loaded: LoadedModel, corpus: Corpus) -> None:
    """Do what a study does for every text."""
    encoder = TextEncoder(loaded)
    found = survey(corpus, encoder)
    measurer = Measurer(loaded, ScoredWith(found.frequencies, found.relations))
    for number, texts in enumerate(pieces(corpus, None, None, CHUNK)):
        chunk_moments(measurer, encoder, texts, number * CHUNK).to_bytes()
    assert measurer.streams


def plain_batches(loaded: LoadedModel, texts: list[str]) -> list[dict[str, torch.Tensor]]:
    """Return the tensors of the batches that a study runs."""
    found = TextEncoder(loaded).encode([StudyText(text) for text in texts])
    numbered = [(number, one, StudyText("")) for number, one in enumerate(found)]
    return [
        {name: torch.cat([one.tensors[name] for _, one, _ in batch]) for name in batch[0][1].tensors}
        for start in range(0, len(numbered), CHUNK)
        for batch in batches(numbered[start : start + CHUNK], tokens_together(loaded))
    ]


def plain_forward(loaded: LoadedModel, tensors: list[dict[str, torch.Tensor]]) -> None:
    """Run the batches with fused attention and nothing else."""
    options = attention_only(loaded)
    with torch.no_grad():
        for batch in tensors:
            loaded.model(**batch, **options)


def notebook_loop(eager: LoadedModel, texts: list[str]) -> list[list[float]]:
    """Return nine scores of every head of every text, as notebooks compute them."""
    found = []
    for text in texts:
        encoding = encode(eager, text)
        with torch.no_grad():
            attentions = eager.model(**encoding.tensors, output_attentions=True).attentions
        found += [nine_scores(head) for layer in attentions for head in layer[0]]
    return found


def nine_scores(weights: torch.Tensor) -> list[float]:
    """Return entropy, distance, mass on the previous, next, same, first and last token, sink and maxima at the previous token."""
    positions = torch.arange(weights.shape[0])
    distance = (positions[:, None] - positions).abs()
    return [
        float(-(weights * (weights + 1e-12).log2()).sum(-1).mean()),
        float((weights * distance).sum(-1).mean()),
        float(weights.diagonal(-1).mean()),
        float(weights.diagonal(1).mean()),
        float(weights.diagonal().mean()),
        float(weights[:, 0].mean()),
        float(weights[:, -1].mean()),
        float(weights.mean(0).max()),
        float((weights.argmax(-1) == positions - 1)[1:].float().mean()),
    ]


def transformer_lens_loop(size: GPT2Config, tokenizer, texts: list[str]) -> Callable[[], object] | None:
    """Return what computes the nine scores from cached patterns of a random model of this size; None without the library."""
    try:
        from transformer_lens.model_bridge import TransformerBridge
    except ImportError:
        return None
    model = GPT2LMHeadModel._from_config(size, attn_implementation="eager").eval()
    model.config.architectures = ["GPT2LMHeadModel"]
    bridge = TransformerBridge.boot_transformers("gpt2", hf_model=model, tokenizer=tokenizer, device="cpu")

    def run() -> None:
        with torch.no_grad():
            for text in texts:
                ids = torch.tensor([tokenizer(text)["input_ids"]])
                _, cache = bridge.run_with_cache(ids, names_filter=lambda name: name.endswith("hook_pattern"))
                for layer in range(size.n_layer):
                    for head in cache["pattern", layer][0]:
                        nine_scores(head)

    return run


def report(name: str, ways: dict[str, Callable[[], object]], texts: int) -> None:
    """Print the seconds of every way, and how many times as fast the study is."""
    taken: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(ROUNDS):
        for way, work in ways.items():
            taken[way].append(processor_seconds(work))
    print(f"{name}, {texts} sentences, {ROUNDS} rounds")
    for way, found in taken.items():
        ratio = statistics.median(other / own for other, own in zip(found, taken["study"], strict=True))
        print(f"  {way:<34}{statistics.median(found):7.2f} s   the study is {ratio:.2f} times as fast")


def ways(loaded: LoadedModel, eager: LoadedModel, folder: str, count: int) -> dict[str, Callable[[], object]]:
    """Return the study and what it is compared with over some sentences."""
    texts = sentences(count)
    path = Path(folder) / "sentences.txt"
    path.write_text("\n".join(texts), encoding="utf-8")
    corpus, tensors = read_corpus([path]), plain_batches(loaded, texts)
    return {
        "study": lambda: study(loaded, corpus),
        "(a) plain forward": lambda: plain_forward(loaded, tensors),
        "(b) notebook loop, nine scores": lambda: notebook_loop(eager, texts),
    }


def random_decoder(tokenizer, size: GPT2Config, implementation: str) -> LoadedModel:
    """Return a random decoder without predictions, with somebody's tokenizer."""
    torch.manual_seed(0)
    return wrap(GPT2Model._from_config(size, attn_implementation=implementation).eval(), tokenizer, "GPT-2 size")


def main() -> None:
    torch.set_num_threads(1)
    encoder, eager = load_model("minilm", device="cpu"), load_model("minilm", device="cpu")
    eager.model.set_attn_implementation("eager")
    with tempfile.TemporaryDirectory() as folder:
        report("bundled encoder", ways(encoder, eager, folder, ENCODER_TEXTS), ENCODER_TEXTS)
        tokenizer = load_model("small-decoder", device="cpu").tokenizer
        size = GPT2Config(vocab_size=len(tokenizer), bos_token_id=None, eos_token_id=None)
        decoder, eager = (random_decoder(tokenizer, size, kind) for kind in ("sdpa", "eager"))
        compared = ways(decoder, eager, folder, DECODER_TEXTS)
        lens = transformer_lens_loop(size, tokenizer, sentences(DECODER_TEXTS))
        compared |= {"(c) TransformerLens, nine scores": lens} if lens else {}
        report("decoder of GPT-2-small's size", compared, DECODER_TEXTS)


if __name__ == "__main__":
    main()
