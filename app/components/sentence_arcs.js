// A sentence in large type, with arcs from the mention to the candidates: the wider, the more attention.

const arcViews = new WeakMap();
const SIZES = [46, 42, 38, 34, 30, 27, 24, 21, 18, 16];

class SentenceArcs {
  constructor(root) {
    this.root = root;
    this.sentence = root.querySelector(".sentence");
    this.svg = root.querySelector("svg");
    this.words = root.querySelector(".words");
    this.line = root.querySelector(".line");
    this.tooltip = tooltipIn(root);
    this.stop = followPage(root, () => this.draw());
  }

  update(message, pick) {
    this.message = message;
    this.pick = pick;
    const focused = this.buttons?.indexOf(this.root.getRootNode().activeElement) ?? -1;
    this.build();
    if (focused >= 0) this.buttons[focused]?.focus({ preventScroll: true });
    this.line.textContent = message.note;
    this.words.setAttribute("aria-label", message.description);
    this.root.dataset.title = message.title;
    this.draw();
  }

  build() {
    const { words, gaps, roles, pickable } = this.message;
    this.buttons = words.map((text, index) => {
      const word = document.createElement(pickable ? "button" : "span");
      word.textContent = text;
      word.className = ["word", ...(index && !gaps[index] ? ["joined"] : []), ...(roles[index] || [])].join(" ");
      word.addEventListener("pointerenter", () => this.show(word, index));
      word.addEventListener("pointerleave", () => this.tooltip.hide());
      if (!pickable) return word;
      word.type = "button";
      word.setAttribute("aria-pressed", String(Boolean(roles[index])));
      word.addEventListener("click", (event) => this.pick([index, event.shiftKey ? "mention" : "candidate"]));
      word.addEventListener("keydown", (event) => event.key.toLowerCase() === "m" && this.pick([index, "mention"]));
      return word;
    });
    const inLine = this.buttons.flatMap((word, index) => [document.createTextNode(gaps[index] ? " " : ""), word]);
    this.words.replaceChildren(...inLine);
  }

  show(word, index) {
    const weight = this.message.weights[index];
    const [bounds, outer] = [word.getBoundingClientRect(), this.root.getBoundingClientRect()];
    const lines = [this.message.words[index]];
    if (typeof weight === "number") lines.push(`${weight.toFixed(4)} ${this.message.direction}`);
    this.tooltip.show(bounds.left - outer.left + bounds.width / 2, bounds.bottom - outer.top, lines);
  }

  /** The room that arcs need above the first line: a step for each, the nearest lowest. */
  get rise() {
    return (this.message.arcs.length ? 14 + 36 * this.message.arcs.length : 4) * typeScale(this.root);
  }

  draw() {
    const width = this.root.clientWidth;
    if (!this.message || !width) return;
    const type = typeScale(this.root), room = givenRoom(this.root);
    this.palette = paletteFor(this.root, this.message.palettes);
    for (const size of SIZES) {
      this.fit(size * type);
      const lines = Math.round((this.words.clientHeight - this.rise) / this.lineHeight);
      const fits = !room || this.sentence.offsetHeight + 30 * type <= room;
      if (fits && lines <= (size > 30 ? 1 : size > 22 ? 2 : Infinity)) break;
    }
    this.drawArcs(type);
    this.root.dataset.arcs = this.message.arcs.length;
  }

  fit(size) {
    this.words.style.fontSize = `${size}px`;
    this.words.style.paddingTop = `${this.rise}px`;
    this.lineHeight = size * (this.words.clientHeight > 3 * size + this.rise ? 2.3 : 1.45);
    this.words.style.lineHeight = `${this.lineHeight}px`;
  }

  top(index) {
    const [first] = this.buttons[index].getClientRects();
    const outer = this.sentence.getBoundingClientRect();
    return first ? [first.left + first.width / 2 - outer.left, first.top - outer.top] : null;
  }

  drawArcs(type) {
    const arcs = this.message.arcs.map(([source, target, weight, answer]) => ({ from: this.top(source), to: this.top(target), weight, answer }));
    const shown = arcs.filter(({ from, to }) => from && to);
    shown.sort((one, other) => Math.abs(one.from[0] - one.to[0]) - Math.abs(other.from[0] - other.to[0]));
    const taken = [];
    const parts = shown.map((arc, rank) => this.arc(arc, (16 + 36 * rank) * type, type, taken));
    // Numbers stand over every arc, so that none is crossed out.
    this.svg.replaceChildren(...parts.map(([path]) => path), ...parts.map(([, text]) => text));
  }

  /** A place for a number above its arc that no number taken before it covers. */
  numberPlace(x, y, type, taken) {
    while (taken.some(([left, top]) => Math.abs(left - x) < 92 * type && Math.abs(top - y) < 22 * type)) y -= 24 * type;
    taken.push([x, y]);
    return y;
  }

  arc({ from, to, weight, answer }, apex, type, taken) {
    const height = apex / 0.75, share = Math.min(1, weight);
    const colour = answer ? this.palette.accent : levelColour(this.palette, 0.66);
    const path = document.createElementNS(this.svg.namespaceURI, "path");
    path.setAttribute("d", `M${from[0]} ${from[1]}C${from[0]} ${from[1] - height} ${to[0]} ${to[1] - height} ${to[0]} ${to[1]}`);
    path.setAttribute("pathLength", "1");
    path.style.cssText = `stroke:${colour};stroke-width:${(1.6 + 12 * share) * type}px;stroke-opacity:${0.45 + 0.55 * share};stroke-dasharray:1`;
    const text = document.createElementNS(this.svg.namespaceURI, "text");
    const x = (from[0] + to[0]) / 2;
    text.setAttribute("x", x);
    text.setAttribute("y", this.numberPlace(x, (from[1] + to[1]) / 2 - apex - (13 + 6 * share) * type, type, taken));
    text.style.cssText = `font-size:${19 * type}px;fill:${answer ? this.palette.accent : this.palette.text}`;
    text.textContent = `${answer ? "✓ " : ""}${weight.toFixed(3)}`;
    return [path, text];
  }
}

function mountSentenceArcs({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".headscope");
  if (!arcViews.has(root)) arcViews.set(root, new SentenceArcs(root));
  const view = arcViews.get(root);
  view.update(unpack(data), (found) => setTriggerValue("pick", found));
  return () => {
    view.stop();
    arcViews.delete(root);
  };
}
