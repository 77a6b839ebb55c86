"""What a row of tokens and the talk player are sent: pure functions from tokens and scenes to one bytes value."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.components.packing import pack
from app.figures.theme import theme
from app.talks import Talk


@dataclass(frozen=True)
class Part:
    """One picture of a scene: a component with its message, or a text alone.

    It is there from step `appears`; what it shows beyond its sentence (arcs) comes at step `reveals`.
    """

    component: str = ""
    message: bytes = b""
    text: str = ""
    label: str = ""
    appears: int = 0
    reveals: int = 0


def token_row_message(tokens: Sequence[str], ids: Sequence[int | None], kinds: Sequence[str]) -> bytes:
    """Return the message of the row of tokens; a kind is "special", "continues" (the word of the token before) or ""."""
    return pack({"tokens": list(tokens), "ids": list(ids), "kinds": list(kinds)}, {})


def talk_message(talk: Talk, parts: Sequence[Sequence[Part]], *, appearance: str) -> bytes:
    """Return the message of the talk player: the captions, and the parts of each scene with their own messages inside.

    `appearance` is "light", "dark" or "page" (as the page around it).
    """
    scenes, arrays = [], {}
    for scene, shown in zip(talk.scenes, parts, strict=True):
        listed = []
        for part in shown:
            entry = {"label": part.label, "appears": part.appears, "reveals": part.reveals}
            if part.component:
                entry |= {"component": part.component, "array": f"part{len(arrays)}"}
                arrays[entry["array"]] = np.frombuffer(part.message, dtype=np.uint8)
            else:
                entry["text"] = part.text
            listed.append(entry)
        steps = 1 + max((max(part.appears, part.reveals) for part in shown), default=0)
        scenes.append({"caption": scene.caption, "steps": steps, "parts": listed})
    header = {
        "title": talk.title,
        "scenes": scenes,
        "appearance": appearance,
        "appearances": {name: _colours(name) for name in ("light", "dark")},
    }
    return pack(header, arrays)


def _colours(name: str) -> dict[str, str]:
    chosen = theme(name)
    return {"background": chosen.background, "text": chosen.text, "primary": chosen.accent, "border": chosen.masked}
