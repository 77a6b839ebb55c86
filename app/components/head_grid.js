// The head grid: every layer x head as a thumbnail in one canvas. Tiles hold round(254 * sqrt(weight)); 255 is masked.
// Which head is open is not part of its message (which then need not be sent again): the head view announces it.

const MASKED_CODE = 255;
const grids = new WeakMap();

class HeadGrid {
  constructor(root) {
    this.root = root;
    this.canvas = root.querySelector("canvas");
    this.line = root.querySelector(".line");
    this.canvas.addEventListener("pointermove", (event) => this.hover(event));
    this.canvas.addEventListener("pointerleave", () => this.leave());
    this.canvas.addEventListener("click", (event) => this.click(event));
    this.canvas.addEventListener("keydown", (event) => this.press(event));
    const unfollow = followPage(root, () => this.draw());
    const opened = () => this.follow(openHead());
    document.addEventListener(OPENED, opened);
    this.stop = () => {
      unfollow();
      document.removeEventListener(OPENED, opened);
    };
  }

  update(message, pick) {
    this.message = message;
    this.pick = pick;
    this.selected = openHead() || message.selected;
    this.draw();
  }

  /** Mark what the page has opened; while a newer pick is on its way, an older answer does not move the mark back. */
  follow(head) {
    if (performance.now() < this.waitUntil && String(head) !== String(this.selected)) return;
    this.waitUntil = 0;
    this.selected = head;
    this.draw();
  }

  layout() {
    const { layers, heads } = this.message;
    const type = typeScale(this.root), gap = heads > 24 ? 1 : 3;
    const left = 36 * type, top = 24 * type, width = this.root.clientWidth;
    const room = givenRoom(this.root) ? givenRoom(this.root) - top - 30 * type : 0.4 * window.innerHeight;
    const tallest = Math.floor(room / layers.length) - gap;
    const widest = Math.floor((width - left) / heads) - gap;
    const side = Math.max(Math.min(14, widest), Math.min(this.message.largest_tile * type, widest, tallest));
    const step = side + gap;
    return { left, top, gap, side, step, type, width, height: top + layers.length * step };
  }

  draw() {
    if (!this.message || !this.root.clientWidth) return;
    const started = performance.now();
    const { layers, heads } = this.message;
    const place = (this.place = this.layout());
    const palette = (this.palette = paletteFor(this.root, this.message.palettes));
    const { context, ratio } = sharpContext(this.canvas, place.width, place.height);
    this.drawTiles(context, ratio, palette, place);
    const quiet = place.type * Math.min(14, Math.max(12, (place.side / place.type) * 0.45));
    context.textBaseline = "middle";
    const every = Math.max(1, Math.ceil((25 * place.type) / place.step));
    for (let head = 0; head < heads; head++) {
      if (head % every) continue;
      this.label(context, `H${head}`, place.left + head * place.step + place.side / 2, place.top - 13 * place.type, "center", quiet, head === this.selected[1]);
    }
    layers.forEach((layer, row) => {
      if (row % every) return;
      this.label(context, `L${layer}`, place.left - 7, place.top + row * place.step + place.side / 2, "right", quiet, layer === this.selected[0]);
    });
    this.mark(context, this.selected, palette.accent, 3);
    if (this.hovered) this.mark(context, this.hovered, palette.text, 1.5);
    this.canvas.setAttribute("aria-label", `${this.message.description} Selected: layer ${this.selected[0]}, head ${this.selected[1]}. Arrow keys move.`);
    this.root.dataset.drawMilliseconds = (performance.now() - started).toFixed(1);
    this.root.dataset.place = JSON.stringify({ left: place.left, top: place.top, step: place.step });
    this.root.dataset.selected = `L${this.selected[0]} H${this.selected[1]}`;
    this.describe(this.hovered || this.selected);
  }

  /** One line under the grid says which head this is and its strongest weight: nothing covers the grid itself. */
  describe([layer, head]) {
    const index = this.message.layers.indexOf(layer) * this.message.heads + head;
    const parts = [`L${layer} H${head}`, ` strongest: ${this.message.strongest[index] ?? "none"}`];
    this.line.replaceChildren(
      ...parts.map((text, place) => {
        const part = document.createElement(place ? "span" : "b");
        part.textContent = text;
        return part;
      }),
    );
  }

  label(context, text, x, y, align, size, strong) {
    context.font = fontOf(this.root, size, strong ? 700 : 400);
    context.textAlign = align;
    context.fillStyle = strong ? this.palette.accent : this.palette.quiet;
    context.fillText(text, x, y);
  }

  /** Colour of every code for one head: codes are square roots, so a weight is (code / 254) squared. */
  codeColours(palette, maximum) {
    const colours = new Uint8Array(3 * 256);
    for (let code = 0; code < MASKED_CODE; code++) {
      const level = 3 * Math.round(255 * scalePosition((code / 254) ** 2, this.message.scale, maximum));
      for (let part = 0; part < 3; part++) colours[3 * code + part] = palette.sequential[level + part];
    }
    colours.set(rgbOf(palette.masked), 3 * MASKED_CODE);
    return colours;
  }

  /** Draw the tiles, painted anew only for another message, palette or place: most draws move a mark and nothing else. */
  drawTiles(context, ratio, palette, place) {
    const made = [palette.background, ratio, place];
    if (this.paintedOf !== this.message || JSON.stringify(made) !== this.paintedFor) {
      this.painted = this.paintTiles(ratio, palette, place);
      this.paintedOf = this.message;
      this.paintedFor = JSON.stringify(made);
    }
    context.save();
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.drawImage(this.painted, 0, 0);
    context.restore();
  }

  /** All tiles as a canvas of its own, as large as the one that is seen. */
  paintTiles(ratio, palette, place) {
    const { layers, heads, maxima, common } = this.message;
    const { context } = sharpContext(document.createElement("canvas"), place.width, place.height);
    const side = Math.round(place.side * ratio);
    const image = context.createImageData(side, side);
    const shared = common ? this.codeColours(palette, 1) : null;
    for (let row = 0; row < layers.length; row++) {
      for (let head = 0; head < heads; head++) {
        const index = row * heads + head;
        const colours = shared || this.codeColours(palette, maxima[index]);
        this.paintTile(image, side, index, colours);
        context.putImageData(image, Math.round((place.left + head * place.step) * ratio), Math.round((place.top + row * place.step) * ratio));
      }
    }
    return context.canvas;
  }

  /** Each pixel shows the largest code among the cells that it covers, so that a sparse head does not look empty. */
  paintTile(image, side, index, colours) {
    const { rows, columns, tiles } = this.message;
    const start = index * rows * columns;
    for (let y = 0; y < side; y++) {
      const first = Math.floor((y * rows) / side), last = Math.max(first + 1, Math.floor(((y + 1) * rows) / side));
      for (let x = 0; x < side; x++) {
        const from = Math.floor((x * columns) / side), to = Math.max(from + 1, Math.floor(((x + 1) * columns) / side));
        let code = -1;
        for (let query = first; query < last; query++) {
          for (let key = from; key < to; key++) {
            const found = tiles[start + query * columns + key];
            if (found !== MASKED_CODE && found > code) code = found;
          }
        }
        if (code < 0) code = MASKED_CODE;
        const pixel = 4 * (y * side + x);
        image.data[pixel] = colours[3 * code];
        image.data[pixel + 1] = colours[3 * code + 1];
        image.data[pixel + 2] = colours[3 * code + 2];
        image.data[pixel + 3] = 255;
      }
    }
  }

  mark(context, [layer, head], colour, width) {
    const row = this.message.layers.indexOf(layer);
    if (row < 0) return;
    const { left, top, step, side } = this.place;
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.strokeRect(left + head * step - 1, top + row * step - 1, side + 2, side + 2);
  }

  headAt(event) {
    const [x, y] = pointerIn(event, this.canvas);
    const { left, top, step } = this.place;
    const head = Math.floor((x - left) / step), row = Math.floor((y - top) / step);
    const inside = x >= left && y >= top && head < this.message.heads && row < this.message.layers.length;
    return inside ? [this.message.layers[row], head] : null;
  }

  hover(event) {
    const found = this.headAt(event);
    this.canvas.style.cursor = found ? "pointer" : "default";
    if (String(found) !== String(this.hovered)) {
      this.hovered = found;
      this.draw();
    }
  }

  leave() {
    this.hovered = null;
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
    this.waitUntil = performance.now() + 2000;
    this.draw();
    clearTimeout(this.pending);
    if (pause) this.pending = setTimeout(() => this.pick(found), pause);
    else this.pick(found);
  }
}

function mountHeadGrid({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".headscope");
  if (!grids.has(root)) grids.set(root, new HeadGrid(root));
  const grid = grids.get(root);
  grid.update(unpack(data), (found) => setTriggerValue("pick", found));
  root.dataset.bytes = data.byteLength;
  root.dataset.updates = Number(root.dataset.updates || 0) + 1;
  return () => {
    grid.stop();
    grids.delete(root);
  };
}
