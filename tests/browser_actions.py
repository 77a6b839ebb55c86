"""What a person does in the browser tests: find a canvas, point at a head or a cell, wait for a picture."""

import json
from pathlib import Path

# The components stand in shadow roots; the first canvas of a component's root is its main one.
FIND = """(name) => {
  const search = (root) => {
    for (const element of root.querySelectorAll("*")) {
      if (element.matches(`.headscope.${name.replaceAll("_", "-")}`)) return element;
      const inside = element.shadowRoot && search(element.shadowRoot);
      if (inside) return inside;
    }
    return null;
  };
  return search(document);
}"""
WAIT_MILLISECONDS = 60_000


def wait_for_data(page, component: str, name: str, value: str) -> None:
    """Wait until a component says that it has drawn `value`."""
    page.wait_for_function(
        f"([component, name, value]) => ({FIND})(component)?.dataset[name] === value",
        arg=[component, name, value],
        timeout=WAIT_MILLISECONDS,
    )


def first_picture(page, title: str) -> None:
    """Wait until grid and head are drawn and the page has come to rest."""
    wait_for_data(page, "head_view", "title", title)
    wait_for_data(page, "head_grid", "selected", title)
    settled(page)


def settled(page) -> None:
    """Wait until the page has come to rest."""
    page.wait_for_selector('[data-testid="stStatusWidget"]', state="detached", timeout=WAIT_MILLISECONDS)
    page.wait_for_timeout(400)


def download(page, picture: str, extension: str, folder: Path) -> Path:
    """Click the button of a picture's file in the open export popover, once it is there, and return the file."""
    with page.expect_download(timeout=WAIT_MILLISECONDS) as found:
        page.locator(f".st-key-export_{picture}_light_{extension} button").click()
    path = folder / found.value.suggested_filename
    found.value.save_as(path)
    return path


def read_data(page, component: str, name: str) -> str:
    """Return what a component says of itself."""
    return page.evaluate(f"([component, name]) => ({FIND})(component)?.dataset[name]", [component, name])


def canvas_of(page, component: str):
    """Return the main canvas of a component."""
    return page.evaluate_handle(f"(name) => ({FIND})(name).querySelector('canvas')", component).as_element()


def grid_place(page, layer: int, head: int) -> tuple[float, float]:
    """Return the middle of a thumbnail on the screen."""
    return _inside(page, "head_grid", {"layer": layer, "head": head})


def centre_of(page, query: int, key: int) -> tuple[float, float]:
    """Return the middle of a cell of the heatmap on the screen, while all of it is shown."""
    return _inside(page, "head_view", {"query": query, "key": key})


def margin_place(page, layer: int, head: int) -> tuple[float, float]:
    """Return the middle of a head's cell in the first grid of scores on the screen."""
    place, box = json.loads(read_data(page, "score_grid", "place")), canvas_of(page, "score_grid").bounding_box()
    return box["x"] + place["left"] + (head + 0.4) * place["across"], box["y"] + place["top"] + (layer + 0.4) * place[
        "down"
    ]


def _inside(page, component: str, cell: dict[str, int]) -> tuple[float, float]:
    place = page.evaluate(f"(name) => JSON.parse(({FIND})(name).dataset.place)", component)
    box = canvas_of(page, component).bounding_box()
    row, column = (cell.get("layer", cell.get("query")), cell.get("head", cell.get("key")))
    x = box["x"] + place["left"] + (column + 0.5) * place["step"]
    return x, box["y"] + place["top"] + (row + 0.5) * place["step"]
