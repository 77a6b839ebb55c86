"""What pages say of their own times: each runs a small watcher from its first moment, on the page's own clock.

A picture counts as drawn in the frame after the one in which its component changed, when it has been painted.
"""

from contextlib import contextmanager
from dataclasses import dataclass

from tests.browser_actions import FIND

VIEWPORT = {"width": 1280, "height": 800}
# A page that has stood still for so long has drawn what it draws by itself.
QUIET_MILLISECONDS = 2000

# Messages as they arrive, clicks, and every change of the two components, with the time at which it was painted.
_APP_WATCHER = f"""(() => {{
  const find = {FIND};
  const seen = (window.headscopeSeen = {{ messages: [], clicks: [], drawn: [] }});
  const Plain = window.WebSocket;
  window.WebSocket = class extends Plain {{
    constructor(...given) {{
      super(...given);
      this.addEventListener("message", ({{ data }}) =>
        seen.messages.push({{ time: performance.now(), bytes: data.byteLength || data.size || data.length || 0 }}));
    }}
  }};
  document.addEventListener("click", () => seen.clicks.push(performance.now()), true);
  const last = {{}}, roots = {{}};
  let searched = 0;
  const look = () => {{
    const now = performance.now(), search = now - searched > 50;
    if (search) searched = now;
    for (const name of ["head_grid", "head_view"]) {{
      if (!roots[name]?.isConnected) roots[name] = search ? find(name) : null;
      const said = roots[name]?.dataset;
      const state = said && `${{said.updates}} ${{said.title}}`;
      if (state && state !== last[name]) {{
        last[name] = state;
        const {{ title = "", bytes = 0, updates = 0 }} = said;
        requestAnimationFrame(() =>
          seen.drawn.push({{ time: performance.now(), name, title, bytes: Number(bytes), updates: Number(updates) }}));
      }}
    }}
    requestAnimationFrame(look);
  }};
  requestAnimationFrame(look);
}})()"""

# The time at which the last change of the document, or the last frame that took long, was painted.
_FILE_WATCHER = """(() => {
  const seen = (window.headscopeOpened = { painted: 0, pending: false });
  let changed = false, before = 0;
  new MutationObserver(() => (changed = true)).observe(document, {
    subtree: true, childList: true, attributes: true, characterData: true });
  const frame = () => {
    const now = performance.now();
    if (seen.pending) seen.painted = now;
    seen.pending = changed || now - before > 250;
    changed = false;
    before = now;
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
})()"""
_AT_REST = f"""() => {{
  const {{ painted, pending }} = window.headscopeOpened;
  return painted > 0 && !pending && performance.now() - painted > {QUIET_MILLISECONDS};
}}"""


@dataclass(frozen=True)
class Drawn:
    """One picture of a component: when it was painted, in milliseconds of the page's clock, and what it says of itself."""

    time: float
    title: str
    bytes: int
    updates: int


@contextmanager
def app_visitor(browser):
    """Yield a context of its own: somebody whose browser keeps nothing yet, and whose pages have the watcher of the app."""
    with _context(browser, _APP_WATCHER) as context:
        yield context


@contextmanager
def app_page(browser):
    """Yield a page of a context of its own, with the watcher of the app."""
    with app_visitor(browser) as visitor:
        yield visitor.new_page()


@contextmanager
def file_page(browser):
    """Yield a page of a context of its own, with the watcher of whole files."""
    with _context(browser, _FILE_WATCHER) as context:
        yield context.new_page()


@contextmanager
def _context(browser, watcher: str):
    context = browser.new_context(viewport=VIEWPORT)
    try:
        context.add_init_script(watcher)
        yield context
    finally:
        context.close()


def wait_drawn(page, component: str, seconds: float, *, title: str = "", after: float = 0.0) -> Drawn:
    """Return the first picture that a component painted later than `after`, of a head of this title if one is given."""
    found = page.wait_for_function(
        """([name, title, after]) => window.headscopeSeen?.drawn.find(
            (one) => one.name === name && one.time > after && (title ? one.title === title : one.updates > 0))""",
        arg=[component, title, after],
        timeout=1000 * seconds,
    ).json_value()
    return Drawn(found["time"], found["title"], found["bytes"], found["updates"])


def page_clock(page) -> float:
    """Return the page's own time in milliseconds."""
    return page.evaluate("performance.now()")


def last_click(page) -> float:
    """Return when the last click reached the page."""
    return page.evaluate("window.headscopeSeen.clicks.at(-1)")


def message_before(page, drawn: Drawn) -> float | None:
    """Return when the message with a picture arrived; None where none so large came before it was drawn."""
    return page.evaluate(
        """({ time, bytes }) => window.headscopeSeen.messages.findLast(
            (one) => one.time < time && one.bytes >= bytes)?.time ?? null""",
        {"time": drawn.time, "bytes": drawn.bytes},
    )


def wait_at_rest(page, seconds: float) -> float:
    """Return when a file's last change was painted, in milliseconds since it was asked for."""
    page.wait_for_function(_AT_REST, timeout=1000 * seconds)
    return page.evaluate("window.headscopeOpened.painted")
