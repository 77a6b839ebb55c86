"""A talk: an ordered list of scenes, each a page's selection with a caption; read from and written to JSON."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

from model.errors import HeadscopeError

FORMAT = "headscope talk 1"
# What may be shown of a page; the first is what is offered first.
PICTURES = {
    "attention": {"head": "Open head", "grid": "All heads", "tokens": "Tokens"},
    "coreference": {"arcs": "Arcs", "pair": "Minimal pair", "margins": "Margins of all heads"},
    "talk": {"text": "Text alone"},
}
MOST_SCENES = 60
LONGEST_CAPTION = 400
LONGEST_VALUE = 20_000
LONGEST_NAME = 60
LARGEST_FILE = 2_000_000


class TalkError(HeadscopeError):
    """A talk file that cannot be read; the message says why."""


@dataclass(frozen=True)
class Scene:
    """One scene: the page and what of it is shown, the page's selection as URL parameters, and what is written above."""

    page: str
    picture: str
    selection: Mapping[str, str]
    caption: str = ""


@dataclass(frozen=True)
class Talk:
    """An ordered list of scenes with a title."""

    title: str = "My talk"
    scenes: tuple[Scene, ...] = ()

    @property
    def nbytes(self) -> int:
        """Memory that the talk takes as it is written, in bytes."""
        return len(write_talk(self))

    def added(self, scene: Scene) -> "Talk":
        """Return the talk with one more scene at its end; raises TalkError where it is full."""
        if len(self.scenes) >= MOST_SCENES:
            raise TalkError(f"A talk holds at most {MOST_SCENES} scenes. Delete one first.")
        return replace(self, scenes=(*self.scenes, scene))

    def without(self, index: int) -> "Talk":
        """Return the talk without one scene."""
        return replace(self, scenes=self.scenes[:index] + self.scenes[index + 1 :])

    def moved(self, index: int, by: int) -> "Talk":
        """Return the talk with one scene moved towards the end (by > 0) or the beginning, as far as it goes."""
        scenes = list(self.scenes)
        scene = scenes.pop(index)
        scenes.insert(min(len(scenes), max(0, index + by)), scene)
        return replace(self, scenes=tuple(scenes))

    def captioned(self, index: int, caption: str) -> "Talk":
        """Return the talk with another caption on one scene."""
        scenes = list(self.scenes)
        scenes[index] = replace(scenes[index], caption=caption[:LONGEST_CAPTION])
        return replace(self, scenes=tuple(scenes))

    def titled(self, title: str) -> "Talk":
        """Return the talk under another title."""
        return replace(self, title=title[:LONGEST_CAPTION])

    def worded(self, index: int, text: str) -> "Talk":
        """Return the talk with another text on one scene of text alone."""
        scenes = list(self.scenes)
        scenes[index] = replace(scenes[index], selection={**scenes[index].selection, "text": text[:LONGEST_VALUE]})
        return replace(self, scenes=tuple(scenes))


def write_talk(talk: Talk) -> bytes:
    """Return the talk as JSON."""
    scenes = [
        {"page": scene.page, "picture": scene.picture, "caption": scene.caption, "selection": dict(scene.selection)}
        for scene in talk.scenes
    ]
    written = {"format": FORMAT, "title": talk.title, "scenes": scenes}
    return (json.dumps(written, ensure_ascii=False, indent=2) + "\n").encode("utf-8", "replace")


def read_talk(data: bytes) -> Talk:
    """Return the talk of a JSON file; raises TalkError that says what is wrong with it."""
    if len(data) > LARGEST_FILE:
        raise TalkError(f"This file is larger than {LARGEST_FILE // 1_000_000} MB, which no talk is.")
    try:
        found = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise TalkError("This file is not JSON. Choose a talk that Headscope saved.") from None
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise TalkError(f"This file is not a talk: it has no “format”: “{FORMAT}”. Choose one that Headscope saved.")
    scenes = found.get("scenes")
    if not isinstance(scenes, list) or len(scenes) > MOST_SCENES:
        raise TalkError(f"“scenes” must be a list of at most {MOST_SCENES} scenes.")
    return Talk(
        title=_text(found.get("title", ""), "title", LONGEST_CAPTION) or "My talk",
        scenes=tuple(_scene(entry, f"Scene {number}") for number, entry in enumerate(scenes, start=1)),
    )


def _scene(entry, name: str) -> Scene:
    if not isinstance(entry, dict):
        raise TalkError(f"{name} is not an object with page, picture, caption and selection.")
    page, picture, selection = entry.get("page"), entry.get("picture"), entry.get("selection", {})
    if not isinstance(page, str) or page not in PICTURES:
        raise TalkError(f"{name} is of a page that is not here. The pages are {', '.join(PICTURES)}.")
    if not isinstance(picture, str) or picture not in PICTURES[page]:
        raise TalkError(f"{name} shows nothing that “{page}” has. Its pictures are {', '.join(PICTURES[page])}.")
    if not isinstance(selection, dict) or len(selection) > 60:
        raise TalkError(f"{name}: “selection” must be an object of names and texts.")
    chosen = {
        _text(key, f"{name}, a name", LONGEST_NAME): _text(value, f"{name}, {_encodable(key):.40}", LONGEST_VALUE)
        for key, value in selection.items()
    }
    return Scene(page, picture, chosen, _text(entry.get("caption", ""), f"{name}, caption", LONGEST_CAPTION))


def _text(value, name: str, longest: int) -> str:
    if not isinstance(value, str) or len(value) > longest:
        raise TalkError(f"{name} must be a text of at most {longest:,} characters.")
    return _encodable(value)


def _encodable(text: str) -> str:
    """Return a text without unpaired surrogates, which JSON can name and neither a page nor a file can hold."""
    return text.encode("utf-8", "replace").decode()
