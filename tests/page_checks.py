"""What is asked of every page in a browser: no finding of axe-core, a focus that is seen, nothing too wide or too small."""

import os
from functools import cache
from importlib.resources import files

# Every page in every look takes many minutes: with HEADSCOPE_THOROUGH=1 all are tried, else those that differ most.
THOROUGH = os.environ.get("HEADSCOPE_THOROUGH", "") not in ("", "0")

SERIOUS = ("serious", "critical")
TABS = 160


@cache
def _axe() -> str:
    # The package carries axe-core as one file, so that nothing is fetched while tests run.
    return files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")


def findings(page, inside: str = "html") -> list[str]:
    """Return the serious and critical findings of axe-core in an element, one line each: rule, element, what is wrong."""
    page.evaluate(_axe())
    run = "(inside) => axe.run(inside, {resultTypes: ['violations']}).then((result) => result.violations)"
    found = page.evaluate(run, inside)
    return [
        f"{rule['id']}: {node['target']} {node['html'][:160]} {node['failureSummary'][:260]}"
        for rule in found
        if rule["impact"] in SERIOUS
        for node in rule["nodes"]
    ]


# Shadow roots belong to the page too. Of a group of radio buttons Tab reaches one, and arrow keys the others.
_SHARED = r"""
const walk = (root, visit) => {
  for (const element of root.querySelectorAll("*")) {
    visit(element);
    if (element.shadowRoot) walk(element.shadowRoot, visit);
  }
};
const seen = (element) => element.getClientRects().length > 0 && element.checkVisibility({ visibilityProperty: true });
const above = (element) => element.parentElement || element.getRootNode().host || null;
const focused = () => {
  let element = document.activeElement;
  while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
  return element;
};
const named = (element) =>
  [element.tagName.toLowerCase(), element.getAttribute("role"), element.getAttribute("type"),
   (element.getAttribute("aria-label") || element.innerText || element.value || element.className || "").toString().slice(0, 50)]
    .filter(Boolean).join(" ");
"""

# A focus is seen where the element, what holds it or what stands in it looks different once the focus has gone on.
_FOCUS = (
    "() => {"
    + _SHARED
    + r"""
  const LOOKS = ["outlineStyle", "outlineWidth", "outlineColor", "boxShadow", "borderTopColor", "backgroundColor", "color"];
  const look = (one) => LOOKS.map((name) => getComputedStyle(one)[name]).join("|");
  const around = (element) => {
    const group = [element, ...element.querySelectorAll("*")].slice(0, 12);
    for (let holder = above(element), steps = 0; holder && steps < 5; holder = above(holder), steps += 1)
      group.push(holder, ...[...holder.children].slice(0, 4));
    return [...new Set(group)].map((one) => [one, look(one)]);
  };
  const element = focused(), gone = !element || element === document.body, holders = new Set();
  for (let holder = element; holder; holder = above(holder)) holders.add(holder);
  if (window.before) {
    const last = window.before.element;
    // Past the last control the focus stays where it was until it comes round.
    if (last === element) element.blur();
    const left = (one) => last === element || (!holders.has(one) && !element?.contains(one));
    const rest = window.before.group.filter(([one]) => one === last || (one.isConnected && left(one)));
    window.visited.set(window.before.element, rest.some(([one, then]) => look(one) !== then));
  }
  window.before = gone || window.visited.has(element) ? null : { element, group: around(element) };
  return window.before && named(element);
}"""
)

_UNREACHED = (
    "() => {"
    + _SHARED
    + r"""
  const wanted = [], groups = new Set([...window.visited.keys()].map((one) => one.closest("[role=radiogroup], [role=tablist]")));
  walk(document, (element) => {
    if (!element.matches("button, input, textarea, select, a[href], canvas[tabindex], [tabindex='0']")) return;
    if (!seen(element) || element.disabled || element.closest("[inert], [aria-hidden=true]") || element.tabIndex < 0) return;
    if (window.visited.has(element) || [...window.visited.keys()].some((one) => element.contains(one))) return;
    const group = element.closest("[role=radiogroup], [role=tablist]");
    if (group && groups.has(group)) return;
    wanted.push(named(element));
  });
  return wanted;
}"""
)
_UNSEEN = "() => {" + _SHARED + "return [...window.visited].filter(([, shown]) => !shown).map(([one]) => named(one)); }"
_STILL = "*, *::before, *::after { transition: none !important; animation: none !important; }"


def walk_with_tab(page) -> tuple[list[str], list[str], list[str]]:
    """Press Tab until the focus has gone round.

    Returns what had the focus, in order; the controls that never had it; and those on which it is not seen.
    """
    page.add_style_tag(content=_STILL)
    page.evaluate(
        "() => { window.visited = new Map(); window.before = null; document.body.tabIndex = -1; document.body.focus(); }"
    )
    stops = []
    for _ in range(TABS):
        page.keyboard.press("Tab")
        stop = page.evaluate(_FOCUS)
        if stop is None:
            break
        stops.append(stop)
    return stops, page.evaluate(_UNREACHED), page.evaluate(_UNSEEN)


# What is too wide is asked of what no box of its own scrolls; a formula holds marks of no width in a tiny face.
_LAYOUT = (
    "([least]) => {"
    + _SHARED
    + r"""
  const main = document.querySelector("[data-testid=stMain]") || document.documentElement, formula = ".katex";
  const inMain = (element) => {
    for (let holder = element; holder; holder = above(holder)) if (holder === main) return true;
    return false;
  };
  const scrolled = (element) => {
    for (let holder = above(element); holder && holder !== main; holder = above(holder))
      if (["auto", "scroll"].includes(getComputedStyle(holder).overflowX)) return true;
    return false;
  };
  const size = (element) => {
    const svg = element.closest("svg"), width = svg?.viewBox?.baseVal?.width;
    return parseFloat(getComputedStyle(element).fontSize) * (width ? svg.getBoundingClientRect().width / width : 1);
  };
  const small = [], wide = [], overlapping = [], controls = [], narrow = [];
  walk(document, (element) => {
    if (!seen(element) || element.closest("[data-testid=stSidebar][data-collapsed=true]")) return;
    const box = element.getBoundingClientRect(), slider = element.matches("input[type=range]");
    const text = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    const tiny = text && !element.closest(formula) && size(element) < least - 0.05;
    if (tiny) small.push(`${size(element).toFixed(1)} ${named(element)}`);
    if (box.right > innerWidth + 1 && !slider && !scrolled(element)) wide.push(`${Math.round(box.right)} ${named(element)}`);
    // What Streamlit writes over a picture while it is pointed at stands over it on purpose.
    const control = element.matches("button, textarea, input") && !slider && !element.closest("[data-testid=stElementToolbar]");
    if (control && inMain(element) && box.width > 6) controls.push(element);
    if (element.matches("canvas[tabindex]") && box.width < 120) narrow.push(`${Math.round(box.width)} ${named(element)}`);
  });
  controls.forEach((one, place) => controls.slice(place + 1).forEach((other) => {
    if (one.contains(other) || other.contains(one)) return;
    const [a, b] = [one.getBoundingClientRect(), other.getBoundingClientRect()];
    const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
    const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    if (across > 3 && down > 3) overlapping.push(`${named(one)} / ${named(other)}`);
  }));
  return {
    page: document.documentElement.scrollWidth - innerWidth, main: main.scrollWidth - main.clientWidth,
    small: [...new Set([...small, ...(window.smallLetters || [])])], wide, overlapping, narrow,
  };
}"""
)
# Letters in a canvas are no elements: their size is written down as they are drawn.
WATCH_LETTERS = r"""
window.smallLetters = new Set();
const fillText = CanvasRenderingContext2D.prototype.fillText;
CanvasRenderingContext2D.prototype.fillText = function (text, ...place) {
  const pixels = parseFloat(/([\d.]+)px/.exec(this.font)?.[1] ?? "12");
  const vega = this.canvas.closest?.("[data-testid=stVegaLiteChart]");
  const shown = String(text).trim() && !vega && this.canvas.isConnected;
  if (pixels < 11.95 && shown) window.smallLetters.add(`${pixels} in a canvas: ${text}`);
  return fillText.call(this, text, ...place);
};
"""


def layout(page, least: float = 12) -> dict:
    """Return what is wrong with a page's layout: pixels too wide, text below `least` pixels, controls over each other."""
    return page.evaluate(_LAYOUT, [least])
