// One head: heatmap and token links side by side, with one selected token in both; in a long one that is not zoomed, its
// strongest pairs in the place of links.

const views = new WeakMap();
const GAP = 14, LINK_STEP = 26, SHORTEST = 340, NARROW = 480;

class HeadView {
  constructor(root) {
    this.root = root;
    this.tooltip = tooltipIn(root);
    const told = { onSelect: (token) => this.select(token), onHover: (found) => this.hover(found), onStep: (by) => this.step(by), onZoom: (window) => this.zoom(window) };
    this.matrix = new HeadMatrix(root, root.querySelector(".matrix canvas"), this.tooltip, told);
    this.links = new TokenLinks(root, root.querySelector(".links canvas"), this.tooltip, told);
    this.stop = followPage(root, () => this.draw());
  }

  update(message, pick, alone) {
    this.message = message;
    this.pick = pick;
    const long = message.long;
    this.matrix.asks = Boolean(long?.asks) && !alone;
    const pooled = this.matrix.asks && long.cell[0] * long.cell[1] > 1;
    this.matrix.onCell = pooled ? (query, key) => this.pick({ cell: [query, key] }) : null;
    if (long) longHead.list(this.root.querySelector(".strongest"), long, (query, key) => this.jump(query, key));
    this.root.dataset.part = long ? long.part.join(",") : "";
    this.selected = message.selected;
    this.hovered = null;
    announceOpen(message.open);
    this.matrix.update(message);
    if (!longHead.crowded(message)) this.links.update(message);
    this.draw();
    // The page around may still move, and with it the room that is left.
    clearTimeout(this.settling);
    this.settling = setTimeout(() => this.room !== this.drawnRoom && this.draw(), 250);
  }

  get focus() {
    if (this.hovered) return this.hovered;
    const position = Number(this.selected.slice(1));
    return { query: this.selected[0] === "q" ? position : -1, key: this.selected[0] === "k" ? position : -1 };
  }

  /** As tall as the window leaves room for, so that the whole head is seen without scrolling. */
  get room() {
    if (givenRoom(this.root)) return givenRoom(this.root);
    const scrolled = this.root.getBoundingClientRect().top + (document.querySelector('[data-testid="stMain"]') || document.documentElement).scrollTop;
    const reserve = parseFloat(getComputedStyle(this.root).getPropertyValue("--reserve")) || 20;
    return Math.max(SHORTEST, window.innerHeight - scrolled - reserve);
  }

  /** Room that a matrix of this width, or links that are not crowded, would leave empty is left to what comes below. */
  height(across, narrow) {
    if (narrow) return Math.min(this.drawnRoom, across + 60);
    if (givenRoom(this.root)) return this.drawnRoom;
    const tokens = Math.max(this.message.query_tokens.length, this.message.key_tokens.length);
    return Math.min(this.drawnRoom, Math.max(SHORTEST, across + 100, LINK_STEP * tokens));
  }

  draw() {
    const width = this.root.clientWidth;
    if (!this.message || !width) return;
    const started = performance.now();
    const palette = paletteFor(this.root, this.message.palettes);
    const narrow = width < NARROW;
    this.drawnRoom = this.room;
    const type = typeScale(this.root);
    const across = narrow ? width : Math.round(Math.min(Math.max(width * 0.62, width - 380 * type), this.drawnRoom + 70));
    const height = this.height(narrow ? width : across, narrow);
    this.root.querySelector(".pictures").style.flexDirection = narrow ? "column" : "row";
    const [links, strongest] = [this.root.querySelector(".links"), this.root.querySelector(".strongest")];
    links.hidden = longHead.crowded(this.message);
    strongest.hidden = !links.hidden;
    for (const beside of [links, strongest]) beside.style.height = `${height}px`;
    this.matrix.draw(palette, across, height, this.focus);
    if (!links.hidden) this.links.draw(palette, narrow ? width : Math.min(width - across - GAP, 520 * type), height - 4, this.focus);
    this.root.dataset.drawMilliseconds = (performance.now() - started).toFixed(1);
    const { left, top, cell } = this.matrix.place;
    this.root.dataset.place = JSON.stringify({ left, top, step: cell });
    this.root.dataset.title = this.message.title;
    this.root.dataset.selected = this.selected;
    for (const canvas of this.root.querySelectorAll("canvas")) canvas.setAttribute("aria-label", this.message.description);
  }

  hover(found) {
    if (JSON.stringify(found) === JSON.stringify(this.hovered) && !this.matrix.drag) return;
    this.hovered = found;
    this.draw();
  }

  zoom(window) {
    // A wheel turns many times before the answer to its first turn is here.
    if (this.matrix.asks && performance.now() < this.waitUntil) return;
    this.waitUntil = performance.now() + 250;
    if (this.matrix.asks) this.pick({ zoom: longHead.asked(this.message.long, window) });
    else this.draw();
  }

  /** Go to one pair of a long head: its query is selected, and what lies around it shown exactly. */
  jump(query, key) {
    if (this.matrix.asks) this.pick({ zoom: longHead.around(this.message.long, query, key), pair: [query, key] });
  }

  /** Select the next or the previous query row. */
  step(by) {
    const current = this.selected[0] === "q" ? Number(this.selected.slice(1)) : by > 0 ? -1 : this.message.query_tokens.length;
    const row = Math.min(this.message.query_tokens.length - 1, Math.max(0, current + by));
    if (`q${row}` !== this.selected) this.select(`q${row}`);
  }

  select(token) {
    this.selected = token === this.selected ? "" : token;
    this.draw();
    this.pick(this.selected);
  }
}

function mountHeadView({ data, parentElement, setTriggerValue, alone = false }) {
  const root = parentElement.querySelector(".headscope");
  if (!views.has(root)) views.set(root, new HeadView(root));
  const view = views.get(root);
  view.update(unpack(data), (picked) => setTriggerValue("pick", picked), alone);
  return () => {
    view.stop();
    views.delete(root);
  };
}
