"""The embeddings of the input, changed while a model runs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import get_ident
from typing import Any

from torch import Tensor, nn

from model.loading import LoadedModel
from model.module_hooks import listening


@contextmanager
def embeddings_changed(loaded: LoadedModel, change: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Run one forward pass in which the input tokens' embeddings [row, position, d_embedding] are what `change` returns.

    Of an encoder-decoder these are the source's, the first that a run looks up: one table may serve both sides, under several
    modules.
    """
    table = loaded.model.get_input_embeddings().weight
    modules = [
        module for module in loaded.model.modules() if isinstance(module, nn.Embedding) and module.weight is table
    ]
    changed, thread = list[Tensor](), get_ident()

    def listen(_module: Any, _args: Any, _kwargs: Any, embedded: Tensor) -> Tensor:
        # Another thread may run the same model meanwhile.
        if changed or get_ident() != thread:
            return embedded
        changed.append(change(embedded))
        return changed[0]

    with listening(modules, listen):
        yield
