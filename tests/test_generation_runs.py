"""What a generation leaves behind: progress and cancelling, settings of the model, threads, files."""

import numpy as np
import pytest

from model import Trace, record_generation, wrap
from tests.generation_models import generator, ids_of, prompt_of, with_settings
from tests.test_cancel_and_threads import Stopped, settings, together


def write(name, **options):
    return record_generation(wrap(generator(name)), prompt_of(name), **{"max_new_tokens": 6, **options})


@pytest.mark.parametrize("method", ["greedy", "sampled", "beam"])
@pytest.mark.parametrize("name", ["gpt2", "bart", "bloom"])
def test_progress_rises_with_every_token_and_every_block(name, method):
    shares = []
    steps = len(write(name, method=method, beams=2, progress=shares.append).steps)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    written = [share for share in shares if share <= 0.8]
    assert written == pytest.approx([0.8 * (token + 1) / 6 for token in range(len(written))])
    assert len(written) >= steps
    assert len(set(shares) - set(written)) >= {"gpt2": 3, "bart": 5, "bloom": 2}[name]


@pytest.mark.parametrize("kind", [Stopped, RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize(("name", "share"), [("gpt2", 0.3), ("gpt2", 0.9), ("bart", 0.5)])
def test_what_progress_raises_cancels_and_leaves_nothing_behind(name, share, kind):
    model, told = generator(name), []
    expected, before = ids_of(write(name)), (settings(model), model.generation_config.to_dict())

    def stop(done):
        told.append(done)
        if done > share:
            raise kind("stop")

    with pytest.raises(kind, match="stop") as caught:
        write(name, progress=stop)
    assert type(caught.value) is kind
    assert told[-1] > share
    assert all(done <= share for done in told[:-1])
    assert (settings(model), model.generation_config.to_dict()) == before
    assert ids_of(write(name)) == expected


def test_dropout_is_off_and_training_as_before_afterwards():
    model = with_settings("gpt2")
    model.train()
    model.transformer.h[1].eval()
    before, configuration = settings(model), model.config.to_dict()
    found = record_generation(wrap(model), prompt_of("gpt2"), max_new_tokens=6)
    assert ids_of(found) == ids_of(write("gpt2"))
    assert (settings(model), model.config.to_dict()) == (before, configuration)


@pytest.mark.parametrize("name", ["gpt2", "gemma2"])
def test_the_recorded_run_makes_logits_only_where_they_are_read(name):
    model, lengths = with_settings(name), []
    model.register_forward_hook(lambda _model, _args, output: lengths.append(output.logits.shape[1]))
    record_generation(wrap(model), prompt_of(name, length=30), max_new_tokens=6)
    assert lengths[-1] == 6


def test_threads_on_one_model_write_their_own():
    loaded = wrap(generator("llama"))

    def sample(seed):
        return record_generation(loaded, prompt_of("llama"), max_new_tokens=4, method="sampled", seed=seed)

    expected = [sample(seed) for seed in range(3)]
    assert len({tuple(ids_of(found)) for found in expected}) == 3
    for mine, theirs in zip(together([lambda seed=seed: sample(seed) for seed in range(3)]), expected, strict=True):
        assert ids_of(mine) == ids_of(theirs)
        assert np.array_equal(mine.trace.layer_attention(1), theirs.trace.layer_attention(1))


def test_threads_on_two_models_do_not_share_random_numbers():
    tasks = [lambda name=name: ids_of(write(name, method="sampled", seed=3)) for name in ("gpt2", "opt", "bart")]
    assert together(tasks) == [task() for task in tasks]


@pytest.mark.parametrize("name", ["gpt2", "bart", "bloom"])
def test_the_trace_of_a_generation_is_saved_as_any_other(name, tmp_path):
    trace = write(name).trace
    trace.save(tmp_path / "written.safetensors")
    loaded = Trace.load(tmp_path / "written.safetensors")
    assert loaded.tokens == trace.tokens
    for stack in trace.stacks:
        assert np.array_equal(loaded.layer_attention(1, stack), trace.layer_attention(1, stack))
