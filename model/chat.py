"""Conversations as a chat model reads them: the template that came with its tokenizer, applied on request."""

from collections.abc import Mapping, Sequence
from typing import Any

from model.errors import InputError
from model.loading import LoadedModel


def is_conversation(inputs: object) -> bool:
    """Say whether `inputs` are messages: a list of mappings with a role and a content."""
    return isinstance(inputs, list) and bool(inputs) and all(isinstance(entry, Mapping) for entry in inputs)


def chat_text(loaded: LoadedModel, messages: Sequence[Mapping[str, Any]]) -> str:
    """Return the text of a conversation up to where the model answers, special tokens of the template included.

    Raises InputError where the tokenizer has no chat template, or its template refuses these messages.
    """
    if not getattr(loaded.tokenizer, "chat_template", None):
        raise InputError(
            f"{loaded.name} has no chat template, so it was not made for conversations. Record the text as it is, without "
            "chat, or choose a chat model."
        )
    for message in messages:
        if not (isinstance(message.get("role"), str) and isinstance(message.get("content"), str)):
            raise InputError("Give every message as {'role': 'user', 'content': 'text'}, both of them strings.")
    if not any(message["content"].strip() for message in messages):
        raise InputError("There is no text to look at yet. Type or paste a sentence.")
    try:
        # transformers renders a template in Jinja's sandbox, where it can run no code.
        return loaded.tokenizer.apply_chat_template(
            [dict(message) for message in messages], tokenize=False, add_generation_prompt=True
        )
    except Exception as error:
        # A template may raise anything: most often its own sentence about the order of roles.
        raise InputError(f"The chat template of {loaded.name} refuses these messages: {error}") from error
