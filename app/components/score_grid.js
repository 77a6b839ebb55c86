// One number per head as a grid of layer x head: on the diverging scale, symmetric about 0, or on the sequential one from 0.

const scoreGrids = new WeakMap();

class ScoreGrid {
  constructor(root) {
    this.root = root;
    this.canvas = root.querySelector("canvas");
    this.line = root.querySelector(".line");
    this.canvas.addEventListener("pointermove", (event) => this.hover(this.headAt(event)));
    this.canvas.addEventListener("pointerleave", () => this.hover(null));
    this.canvas.addEventListener("click", (event) => this.click(event));
    this.canvas.addEventListener("keydown", (event) => this.press(event));
    this.stop = followPage(root, () => this.draw());
  }

  update(message, pick) {
    this.message = message;
    this.pick = pick;
    this.selected = message.selected;
    this.draw();
  }

  layout() {
    const { layers, heads } = this.message;
    const type = typeScale(this.root), gap = heads > 24 ? 1 : 2;
    const left = 36 * type, top = 24 * type, width = this.root.clientWidth, legend = 34 * type;
    const room = givenRoom(this.root) ? givenRoom(this.root) - top - legend - 30 * type : 0.42 * window.innerHeight;
    const widest = Math.floor((width - left) / heads) - gap, tallest = Math.floor(room / layers.length) - gap;
    const most = givenRoom(this.root) ? 78 : 34;
    const across = Math.max(Math.min(12, widest), Math.min(64 * type, widest));
    const down = Math.max(Math.min(12, tallest), Math.min(0.75 * across, tallest, most * type));
    const bottom = top + layers.length * (down + gap);
    return { left, top, gap, type, across, down, width, bottom, height: bottom + legend };
  }

  colour(value) {
    const { limit, diverging } = this.message;
    const share = diverging ? 0.5 + (0.5 * value) / limit : value / limit;
    const level = 3 * Math.round(255 * Math.min(1, Math.max(0, share)));
    return this.palette[diverging ? "diverging" : "sequential"].slice(level, level + 3);
  }

  draw() {
    if (!this.message || !this.root.clientWidth) return;
    const place = (this.place = this.layout());
    this.palette = paletteFor(this.root, this.message.palettes);
    const { context } = sharpContext(this.canvas, place.width, place.height);
    context.textBaseline = "middle";
    this.drawCells(context, place);
    this.drawAxes(context, place);
    this.drawLegend(context, place);
    this.mark(context, this.selected, this.palette.accent, 3 * place.type);
    if (this.hovered) this.mark(context, this.hovered, this.palette.text, 1.5 * place.type);
    this.canvas.setAttribute("aria-label", `${this.message.description} ${this.words(this.selected)}. Arrow keys move.`);
    this.root.dataset.selected = `L${this.selected[0]} H${this.selected[1]}`;
    this.root.dataset.place = JSON.stringify({ left: place.left, top: place.top, across: place.across + place.gap, down: place.down + place.gap });
    this.describe(this.hovered || this.selected);
  }

  drawCells(context, place) {
    const { layers, heads, values } = this.message;
    const size = Math.min(15 * place.type, place.across * 0.32, place.down * 0.6);
    context.textAlign = "center";
    context.font = fontOf(this.root, size);
    for (let row = 0; row < layers.length; row++) {
      for (let head = 0; head < heads; head++) {
        const value = values[row * heads + head];
        const [x, y] = [place.left + head * (place.across + place.gap), place.top + row * (place.down + place.gap)];
        if (Number.isNaN(value)) continue;
        const [red, green, blue] = this.colour(value);
        context.fillStyle = `rgb(${red},${green},${blue})`;
        context.fillRect(x, y, place.across, place.down);
        if (size < 10) continue;
        context.fillStyle = 0.299 * red + 0.587 * green + 0.114 * blue > 140 ? "#10161d" : "#ffffff";
        context.fillText(shortNumber(value, this.message.diverging), x + place.across / 2, y + place.down / 2);
      }
    }
  }

  drawAxes(context, place) {
    const { layers, heads } = this.message;
    const size = 13 * place.type;
    const write = (text, x, y, align, strong) => {
      context.font = fontOf(this.root, size, strong ? 700 : 400);
      context.textAlign = align;
      context.fillStyle = strong ? this.palette.accent : this.palette.quiet;
      context.fillText(text, x, y);
    };
    const skip = (step, room) => Math.max(1, Math.ceil(room / step));
    for (let head = 0; head < heads; head += skip(place.across + place.gap, 27 * place.type)) {
      write(`H${head}`, place.left + head * (place.across + place.gap) + place.across / 2, place.top - 12 * place.type, "center", head === this.selected[1]);
    }
    for (let row = 0; row < layers.length; row += skip(place.down + place.gap, 14 * place.type)) {
      write(`L${layers[row]}`, place.left - 7, place.top + row * (place.down + place.gap) + place.down / 2, "right", layers[row] === this.selected[0]);
    }
  }

  drawLegend(context, place) {
    const { limit, diverging, label } = this.message;
    const y = place.bottom + 10 * place.type, length = Math.min(170 * place.type, place.width * 0.3);
    for (let x = 0; x < length; x++) {
      const share = x / length;
      context.fillStyle = `rgb(${this.colour(limit * (diverging ? 2 * share - 1 : share)).join(",")})`;
      context.fillRect(place.left + x, y, 1.5, 9 * place.type);
    }
    context.font = fontOf(this.root, 13 * place.type);
    context.textAlign = "left";
    context.fillStyle = this.palette.quiet;
    const ends = diverging ? `−${limit.toFixed(2)} to ${limit.toFixed(2)}` : `0 to ${limit.toFixed(2)}`;
    const room = place.width - place.left - length - 10;
    const whole = `${ends}  ${label}`;
    // Where there is no room for it, the line under the grid still says what the numbers are.
    context.fillText(context.measureText(whole).width <= room ? whole : ends, place.left + length + 10, y + 5 * place.type);
  }

  mark(context, [layer, head], colour, width) {
    const row = this.message.layers.indexOf(layer);
    if (row < 0 || head >= this.message.heads) return;
    const { left, top, across, down, gap } = this.place;
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.strokeRect(left + head * (across + gap) - 1, top + row * (down + gap) - 1, across + 2, down + 2);
  }

  words([layer, head]) {
    const value = this.message.values[this.message.layers.indexOf(layer) * this.message.heads + head];
    return `L${layer} H${head}: ${value === undefined || Number.isNaN(value) ? "none" : value.toFixed(3)}`;
  }

  /** One line under the grid, so that nothing covers the grid itself. */
  describe(head) {
    const strong = document.createElement("b");
    strong.textContent = this.words(head);
    const quiet = document.createElement("span");
    quiet.textContent = ` ${this.message.label}`;
    this.line.replaceChildren(strong, quiet);
  }

  headAt(event) {
    if (!this.place) return null;
    const [x, y] = pointerIn(event, this.canvas);
    const { left, top, across, down, gap } = this.place;
    const head = Math.floor((x - left) / (across + gap)), row = Math.floor((y - top) / (down + gap));
    return x >= left && y >= top && head < this.message.heads && row < this.message.layers.length ? [this.message.layers[row], head] : null;
  }

  hover(found) {
    this.canvas.style.cursor = found ? "pointer" : "default";
    if (String(found) === String(this.hovered)) return;
    this.hovered = found;
    this.draw();
  }

  click(event) {
    const found = this.headAt(event);
    if (found) this.select(found);
    this.canvas.focus({ preventScroll: true });
  }

  press(event) {
    const found = arrowStep(event, this.message, this.selected);
    if (found) this.select(found, 90);
  }

  /** Mark at once; tell the page at once for a click, after a pause for keys that are held down. */
  select(found, pause = 0) {
    this.selected = found;
    this.draw();
    clearTimeout(this.pending);
    if (pause) this.pending = setTimeout(() => this.pick(found), pause);
    else this.pick(found);
  }
}

/** Two decimals without the zero that everybody knows is there; a minus sign of the same width as a plus. */
function shortNumber(value, signed) {
  const text = Math.abs(value).toFixed(2).replace(/^0/, "");
  if (text === ".00") return "0";
  return value < 0 ? `−${text}` : signed ? `+${text}` : text;
}

function mountScoreGrid({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".headscope");
  if (!scoreGrids.has(root)) scoreGrids.set(root, new ScoreGrid(root));
  const grid = scoreGrids.get(root);
  grid.update(unpack(data), (found) => setTriggerValue("pick", found));
  root.dataset.updates = Number(root.dataset.updates || 0) + 1;
  return () => {
    grid.stop();
    scoreGrids.delete(root);
  };
}
