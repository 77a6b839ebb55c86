"""Memory: the estimate of a run, the refusal before it, and the sentence after an allocation has really failed."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers as t
from streamlit.testing.v1 import AppTest

from model import memory_estimate, record, wrap
from model.analysis.peak_memory import peak_bytes
from model.encoding import running
from model.errors import InputError, is_out_of_memory
from model.memory_estimate import check_run_memory, run_memory
from tests.tiny_models import BUILDERS, ENCODER_DECODERS, tiny

ROOT = Path(__file__).parent.parent
_MEDIUM = dict(vocab_size=3000, hidden_size=256, num_hidden_layers=4, num_attention_heads=8, intermediate_size=1024)
_POSITIONS = dict(max_position_embeddings=1024)
_ENDS = dict(pad_token_id=0, bos_token_id=1, eos_token_id=2)
MEDIUM = {
    "bert": lambda: t.BertModel(t.BertConfig(**_MEDIUM, **_POSITIONS)),
    "gpt2": lambda: t.GPT2LMHeadModel(
        t.GPT2Config(vocab_size=3000, n_embd=256, n_layer=4, n_head=8, bos_token_id=1, eos_token_id=2)
    ),
    "llama": lambda: t.LlamaForCausalLM(t.LlamaConfig(**_MEDIUM, **_POSITIONS, **_ENDS, num_key_value_heads=2)),
    "gpt_neox": lambda: t.GPTNeoXForCausalLM(t.GPTNeoXConfig(**_MEDIUM, **_POSITIONS, bos_token_id=1, eos_token_id=2)),
    "t5": lambda: t.T5ForConditionalGeneration(
        t.T5Config(
            vocab_size=3000, d_model=256, d_kv=32, d_ff=1024, num_layers=4, num_heads=8, pad_token_id=0, eos_token_id=2,
            decoder_start_token_id=0,
        )
    ),
    "bloom": lambda: t.BloomForCausalLM(t.BloomConfig(vocab_size=3000, hidden_size=256, n_layer=4, n_head=8)),
}  # fmt: skip


def compared(model, tokens: int, target_tokens: int) -> float:
    """Return estimate / truth, the truth counted in the tensors that one recorded run makes."""
    loaded = wrap(model.eval())
    inputs = {"input_ids": torch.randint(3, 90, (1, tokens))}
    if target_tokens:
        inputs["decoder_input_ids"] = torch.randint(3, 90, (1, target_tokens))
    record(loaded, inputs)
    return run_memory(loaded, tokens, target_tokens).total / peak_bytes(lambda: record(loaded, inputs))


@pytest.mark.parametrize("name", BUILDERS)
def test_the_estimate_of_a_tiny_model_is_between_the_truth_and_twice_of_it(name):
    assert 0.99 <= compared(tiny(name), 60, 50 if name in ENCODER_DECODERS else 0) <= 2


@pytest.mark.parametrize("name", MEDIUM)
@pytest.mark.parametrize("tokens", [150, 600])
def test_the_estimate_of_a_medium_model_is_between_the_truth_and_twice_of_it(name, tokens):
    assert 0.99 <= compared(MEDIUM[name](), tokens, tokens // 2 if name == "t5" else 0) <= 2


def test_maps_grow_with_the_square_of_the_tokens_only_where_there_are_any():
    dense, lazy = wrap(tiny("bloom")), wrap(tiny("gpt2"))
    assert run_memory(dense, 2000).maps == 4 * run_memory(dense, 1000).maps
    assert run_memory(lazy, 2000).maps == 0
    assert run_memory(lazy, 2000).total == 2 * run_memory(lazy, 1000).total
    # 3 layers of 4 heads, and three copies of one layer's, in float32.
    assert run_memory(lazy, 1000, dense=True).maps == (3 + 3) * 4 * 1000**2 * 4


def test_a_run_that_would_not_fit_is_refused_with_the_numbers(monkeypatch):
    loaded = wrap(tiny("bloom"), name="tiny-bloom")
    needed = run_memory(loaded, 1000).total
    monkeypatch.setattr(memory_estimate, "free_memory", lambda device: int(needed / 0.8))
    check_run_memory(loaded, 1000)
    monkeypatch.setattr(memory_estimate, "free_memory", lambda device: needed // 4)
    with pytest.raises(
        InputError, match=r"1,000 tokens need about [\d.]+ MB .* tiny-bloom on cpu, and [\d.]+ MB are free"
    ):
        check_run_memory(loaded, 1000)
    try:
        check_run_memory(loaded, 1000)
    except InputError as error:
        advised = int(str(error).split("at most about ")[1].split(" tokens")[0].replace(",", ""))
    check_run_memory(loaded, advised)
    assert advised > 300


def test_what_goes_to_disk_counts_only_as_far_as_its_budget(monkeypatch):
    loaded = wrap(tiny("gpt2"))
    needed = run_memory(loaded, 1000)
    monkeypatch.setattr(
        memory_estimate, "free_memory", lambda device: int((needed.working + needed.maps + 10_000) / 0.8)
    )
    with pytest.raises(InputError, match="Shorten the text"):
        check_run_memory(loaded, 1000)
    check_run_memory(loaded, 1000, budget=10_000)


ALLOCATIONS = {
    "torch": lambda: torch.empty(10**15),
    "numpy": lambda: np.empty(10**15),
    "python": lambda: bytearray(10**17),
}


@pytest.mark.parametrize("allocate", ALLOCATIONS.values(), ids=ALLOCATIONS)
def test_an_allocation_that_really_fails_is_a_sentence(allocate):
    with (
        pytest.raises(InputError, match="ran out of memory on this input"),
        running(wrap(tiny("gpt2"))),
    ):
        allocate()


def test_other_errors_are_no_lack_of_memory():
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))


def failing() -> None:
    import streamlit as st
    import torch

    from app.panels import guarded

    st.text_input("text", "kept", key="text")
    if st.button("long"):
        with guarded():
            torch.empty(10**15)
    st.write("went on")


def test_the_app_says_so_and_goes_on(caplog):
    page = AppTest.from_function(failing).run()
    page.button[0].click().run()
    assert not page.exception
    assert "There is not enough memory for this" in page.get("html")[0].proto.body
    assert page.text_input[0].value == "kept"
    page.run()
    assert page.markdown[0].value == "went on"
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == []


LIMITED = """
import resource
import torch
from model import record, wrap
from model.errors import InputError
from tests.tiny_models import tiny

def used():
    return int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()

loaded = wrap(tiny("bloom"))
short, long = ({"input_ids": torch.randint(3, 90, (1, length))} for length in (9, 5000))
record(loaded, short)
resource.setrlimit(resource.RLIMIT_AS, (used() + 300_000_000,) * 2)
for _ in range(3):
    try:
        record(loaded, long)
    except InputError as error:
        print(error)
    else:
        print("it ran")
    assert record(loaded, short).layer_attention(0).shape == (4, 9, 9)
print("went on")
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a limit on addresses is one of Linux")
def test_a_process_whose_memory_ends_says_so_and_goes_on():
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LIMITED], capture_output=True, text=True, cwd=ROOT, check=False
    )
    lines = done.stdout.splitlines()
    assert lines[-1:] == ["went on"], done.stderr[-2000:]
    assert len(lines) == 4
    assert all("memory" in line and line.endswith(".") for line in lines[:3])
