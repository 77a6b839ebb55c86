// Two heads and their difference on common axes: one hover, one zoom and one selection for all three.

const comparisons = new WeakMap();
const BESIDE = 760, BETWEEN = 18, LARGEST_CELL = 44, TALLEST = 0.78;
const HINT = "Drag to zoom in all three, double-click to see all. Click a row or a column to follow it.";

class HeadComparison {
  constructor(root) {
    this.root = root;
    this.tooltip = tooltipIn(root);
    const told = {
      onSelect: (token) => this.select(token), onHover: (found) => this.hover(found), onStep: (by) => this.step(by),
      onZoom: (window) => this.zoom(window), tell: (query, key) => this.tell(query, key), legend: false,
    };
    this.figures = [...root.querySelectorAll("figure")];
    this.maps = this.figures.map((figure) => new HeadMatrix(root, figure.querySelector("canvas"), this.tooltip, told));
    this.hovered = null;
    this.stop = followPage(root, () => this.draw());
  }

  update(message, pick) {
    Object.assign(this, { message, pick, selected: message.selected, hovered: null });
    const values = [message.first, message.second, message.difference];
    this.maps.forEach((map, index) => map.update({
      ...message, weights: values[index], diverging: index === 2, maximum: index === 2 ? message.limit : message.maximum,
      query_special: message.query_quiet[index], key_special: message.key_quiet[index],
    }));
    this.figures.forEach((figure, index) => {
      figure.querySelector("figcaption").textContent = message.titles[index];
      figure.querySelector("canvas").setAttribute("aria-label", `${message.titles[index]}. ${message.description}`);
    });
    this.draw();
  }

  get focus() {
    if (this.hovered) return this.hovered;
    const position = Number(this.selected.slice(1));
    return { query: this.selected[0] === "q" ? position : -1, key: this.selected[0] === "k" ? position : -1 };
  }

  draw() {
    const width = this.root.clientWidth;
    if (!this.message || width < 60) return;
    const started = performance.now();
    const palette = paletteFor(this.root, this.message.palettes);
    const beside = width >= BESIDE;
    this.root.querySelector(".maps").classList.toggle("below", !beside);
    const { widths, height } = this.layout(width, beside);
    this.maps.forEach((map, index) => {
      map.canvas.parentElement.style.width = `${widths[index]}px`;
      map.draw(palette, widths[index], height, this.focus);
      this.figures[index].querySelector("figcaption").style.paddingLeft = `${map.place.left}px`;
    });
    this.drawLegends(palette);
    this.describe();
    this.root.dataset.drawMilliseconds = (performance.now() - started).toFixed(1);
    this.root.dataset.places = JSON.stringify(this.maps.map(({ place: { left, top, cell } }) => ({ left, top, step: cell })));
    this.root.dataset.selected = this.selected;
    this.root.dataset.focus = `${this.focus.query} ${this.focus.key}`;
  }

  /** Widths and height at which all three have cells of one size; beside each other only the first names the rows. */
  layout(width, beside) {
    const type = typeScale(this.root), context = this.maps[0].canvas.getContext("2d");
    this.maps.forEach((map, index) => (map.rowLabels = !beside || index === 0));
    const { rows, columns } = this.maps[0].shown;
    const room = (map, across, tall) => map.layout(across, tall, context);
    const lefts = this.maps.map((map) => room(map, width, 1e5).left);
    const inner = beside ? (width - 2 * BETWEEN - lefts.reduce((sum, left) => sum + left, 0)) / 3 : width - lefts[0];
    const tallest = givenRoom(this.root) || TALLEST * window.innerHeight;
    const least = Math.min(220 * type, inner);
    let fit = room(this.maps[0], lefts[0] + inner, 1e5), height;
    // Labels that stand upright over wide cells lean over narrower ones, and then take more room.
    for (let round = 0; round < 2; round++) {
      const cell = Math.min((lefts[0] + inner - fit.left - fit.right) / columns, LARGEST_CELL * type, Math.max(2, (tallest - fit.top - fit.bottom) / rows));
      height = fit.top + fit.bottom + cell * rows;
      fit = room(this.maps[0], lefts[0] + inner, height);
    }
    const widths = lefts.map((left) => Math.ceil(Math.max(left + fit.cell * columns + fit.right, left + least)));
    return { widths, height };
  }

  drawLegends(palette) {
    const { scale, maximum, limit, masked } = this.message;
    const keys = [
      legendKey(`0 to ${maximum === 1 ? "1" : maximum.toFixed(3)}, ${scale}`, rampBackground(palette.sequential), palette),
      legendKey(`${signed(-limit)} to ${signed(limit)}, difference`, rampBackground(palette.diverging), palette),
    ];
    if (masked) keys.push(legendKey(masked, palette.masked, palette, "masked"));
    this.root.querySelector(".legends").replaceChildren(...keys);
  }

  /** What a value is, in words where there is none. */
  written(side, query, key) {
    const value = this.message[side ? "second" : "first"][query * this.message.key_tokens.length + key];
    if (!Number.isNaN(value)) return value.toFixed(4);
    const present = this.message.query_present[side][query] && this.message.key_present[side][key];
    return present ? "masked" : "no such token";
  }

  tell(query, key) {
    const { query_tokens, key_tokens, titles, difference } = this.message;
    const value = difference[query * key_tokens.length + key];
    return [
      `${query_tokens[query]} → ${key_tokens[key]}`,
      ...[0, 1].map((side) => `${this.written(side, query, key).padEnd(7)} ${titles[side]}`),
      ...(Number.isNaN(value) ? [] : [`${signed(value, 4).padEnd(7)} ${titles[2]}`]),
    ];
  }

  /** One line under the maps: what changed most in the row or column that is hovered or selected. */
  describe() {
    const { query, key } = this.focus;
    const { query_tokens, key_tokens, difference, total_variation } = this.message;
    const columns = key_tokens.length;
    const strong = document.createElement("b"), quiet = document.createElement("span");
    const largest = (count, at) => {
      let found = -1;
      for (let place = 0; place < count; place++) {
        if (!Number.isNaN(at(place)) && (found < 0 || Math.abs(at(place)) > Math.abs(at(found)))) found = place;
      }
      return found;
    };
    if (query >= 0) {
      const most = largest(columns, (place) => difference[query * columns + place]);
      strong.textContent = query_tokens[query];
      quiet.textContent = most < 0 || Number.isNaN(total_variation[query])
        ? " is not in both"
        : ` moves ${total_variation[query].toFixed(3)} of its attention, most at ${key_tokens[most]} ${signed(difference[query * columns + most])}`;
    } else if (key >= 0) {
      const most = largest(query_tokens.length, (place) => difference[place * columns + key]);
      strong.textContent = key_tokens[key];
      quiet.textContent = most < 0 ? " is not in both" : ` changes most for ${query_tokens[most]} ${signed(difference[most * columns + key])}`;
    } else quiet.textContent = HINT;
    this.root.querySelector(".line").replaceChildren(strong, quiet);
  }

  zoom(window) {
    for (const map of this.maps) map.window = window;
    this.hovered = null;
    this.draw();
  }

  hover(found) {
    const dragging = this.maps.some((map) => map.drag);
    if (JSON.stringify(found) === JSON.stringify(this.hovered) && !dragging) return;
    this.hovered = found;
    this.draw();
  }

  /** Select the next or the previous query row. */
  step(by) {
    const last = this.message.query_tokens.length - 1;
    const current = this.selected[0] === "q" ? Number(this.selected.slice(1)) : by > 0 ? -1 : last + 1;
    const row = Math.min(last, Math.max(0, current + by));
    if (`q${row}` !== this.selected) this.select(`q${row}`);
  }

  select(token) {
    this.selected = token === this.selected ? "" : token;
    this.draw();
    this.pick(this.selected);
  }
}

function mountHeadComparison({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".headscope");
  if (!comparisons.has(root)) comparisons.set(root, new HeadComparison(root));
  const comparison = comparisons.get(root);
  comparison.update(unpack(data), (token) => setTriggerValue("pick", token));
  root.dataset.updates = Number(root.dataset.updates || 0) + 1;
  return () => {
    comparison.stop();
    comparisons.delete(root);
  };
}
