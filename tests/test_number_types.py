"""Lazy weights equal eager ones in half precision too, on the CPU and, where there is one, on a GPU.

The tolerance is that of the eager weights, which transformers rounds to the model's number type: with 8 significant bits
in bfloat16 and 11 in float16, a weight near 1 is rounded by 2e-3 and 2e-4, and its score, computed in that type, by more.
"""

from copy import deepcopy

import pytest
import torch

from model import load_model, record, wrap
from model.errors import InputError
from tests.test_capture_exactness import eager_attentions
from tests.tiny_models import ENCODER_DECODERS, tiny, tiny_inputs
from tests.tiny_tokenizers import trained

TOLERANCES = {torch.float32: 1e-5, torch.bfloat16: 2e-2, torch.float16: 2e-3}
# On a GPU the fused kernel and eager attention add up in different orders, and the layers after the first inherit that.
GPU_TOLERANCES = TOLERANCES | {torch.float32: 1e-4}
on_gpu = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here"),
]
FAMILIES = ["bert", "modernbert", "gpt2", "llama", "gemma2", "qwen3", "t5", "gpt_oss"]


def largest_difference(name, dtype, device, padding):
    model = deepcopy(tiny(name)).to(device=device, dtype=dtype)
    inputs = {key: tensor.to(device) for key, tensor in tiny_inputs(name, padding).items()}
    trace = record(wrap(model), inputs)
    differences = []
    for stack in trace.stacks:
        expected = eager_attentions(model, inputs, stack, name in ENCODER_DECODERS)
        for layer, weights in zip(trace.of_stack(stack), expected, strict=True):
            assert layer.source == "lazy"
            assert layer.query.device.type == device
            assert (layer.query.dtype, layer.weights().dtype) == (dtype, torch.float32)
            found = trace.layer_attention(layer.index, stack)
            differences.append(abs(found - weights[0].float().cpu().numpy()).max())
    return max(differences)


@pytest.mark.parametrize("padding", ["none", "left"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("name", FAMILIES)
def test_half_precision_equals_eager(name, dtype, padding):
    assert largest_difference(name, dtype, "cpu", padding) < TOLERANCES[dtype]


@pytest.mark.parametrize("padding", ["none", "left"])
@pytest.mark.parametrize("dtype", list(GPU_TOLERANCES), ids=str)
@pytest.mark.parametrize("name", [pytest.param(name, marks=on_gpu) for name in FAMILIES])
def test_the_gpu_equals_eager(name, dtype, padding):
    assert largest_difference(name, dtype, "cuda", padding) < GPU_TOLERANCES[dtype]


@pytest.mark.parametrize("dtype", [pytest.param(name, marks=on_gpu) for name in ("auto", "bfloat16", "float16")])
def test_a_folder_is_loaded_onto_the_gpu(tmp_path, dtype):
    deepcopy(tiny("bert")).bfloat16().save_pretrained(tmp_path)
    trained("word piece").save_pretrained(tmp_path)
    loaded = load_model(str(tmp_path), dtype=dtype)
    assert loaded.device.type == "cuda"
    assert loaded.dtype == (torch.bfloat16 if dtype == "auto" else getattr(torch, dtype))
    assert record(loaded, "it rains").provenance.device.startswith("cuda")


@pytest.mark.parametrize("family", [pytest.param(name, marks=on_gpu) for name in ("bert", "gpt2", "bloom", "gpt_oss")])
def test_a_model_spread_over_the_gpu_and_disk_is_recorded_as_the_whole_one(tmp_path, family):
    tiny(family).save_pretrained(tmp_path)
    trained("word piece").save_pretrained(tmp_path)
    whole = wrap(tiny(family))
    memory = {0: int(0.5 * whole.nbytes), "cpu": int(0.3 * whole.nbytes)}
    loaded = load_model(str(tmp_path), device_map="auto", max_memory=memory, dtype="float32")
    assert len(set(loaded.model.hf_device_map.values())) > 1
    inputs = tiny_inputs(family)
    trace, expected = record(loaded, inputs), record(whole, inputs)
    for layer in expected.layers:
        assert abs(trace.layer_attention(layer.index) - expected.layer_attention(layer.index)).max() < 1e-4


def test_a_number_type_that_an_operation_does_not_take_becomes_a_sentence():
    model = deepcopy(tiny("bert")).half()

    def refuse(*_):
        raise RuntimeError("\"addmm_impl_cpu_\" not implemented for 'Half'")

    model.encoder.layer[1].register_forward_pre_hook(refuse)
    with pytest.raises(
        InputError, match=r"cannot run in float16 on cpu: .* Load it in float32 or bfloat16\."
    ) as caught:
        record(wrap(model, name="m"), tiny_inputs("bert"))
    assert isinstance(caught.value.__cause__, RuntimeError)
