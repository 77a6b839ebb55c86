// A talk: scenes one after the other, each with steps; arrow keys or a presenter's remote; the pictures stay interactive.

const players = new WeakMap();
const MOUNTS = {
  head_grid: mountHeadGrid, head_view: mountHeadView, score_grid: mountScoreGrid, sentence_arcs: mountSentenceArcs, token_row: mountTokenRow,
};
const NEXT = ["ArrowRight", "ArrowDown", "PageDown", " ", "Enter", "n"], BACK = ["ArrowLeft", "ArrowUp", "PageUp", "Backspace", "p"];
// At this height of the stage everything is as large as on a page.
const PAGE_HEIGHT = 620, LONG_CAPTION = 150;

class TalkPlayer {
  constructor(root, parent, alone) {
    Object.assign(this, { root, parent, alone, index: 0, step: 0, stops: [] });
    const find = (selector) => root.querySelector(selector);
    [this.stage, this.caption, this.scene, this.dots, this.dialog] = [".stage", ".caption", ".scene", ".dots", ".full"].map(find);
    [this.name, this.count] = [".name", ".count"].map(find);
    root.classList.toggle("alone", alone);
    find(".next").addEventListener("click", () => this.forward());
    find(".back").addEventListener("click", () => this.backward());
    find(".present").addEventListener("click", () => this.present());
    this.dialog.addEventListener("close", () => this.leave());
    this.press = (event) => this.onKey(event);
    // Before a picture inside takes the arrow keys for itself, and wherever the focus went when the screen was filled.
    document.addEventListener("keydown", this.press, true);
    document.addEventListener("fullscreenchange", (this.screened = () => document.fullscreenElement || !this.dialog.open || this.dialog.close()));
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(this.stage);
  }

  /** Show this talk; where it came again, the speaker's place, step and choice of light or dark stay. */
  update(message) {
    if (this.message?.appearance !== message.appearance) this.appearance = message.appearance;
    this.message = message;
    this.name.textContent = message.title;
    this.dots.replaceChildren(...message.scenes.map((scene, index) => this.dot(index)));
    const asked = this.alone ? Number(location.hash.slice(1)) - 1 : this.index, last = message.scenes.length - 1;
    const index = asked >= 0 && asked <= last ? asked : Math.max(0, Math.min(this.index, last));
    this.show(index, index === this.index ? Math.min(this.step, (message.scenes[index]?.steps ?? 1) - 1) : 0);
    if (this.alone) this.stage.focus();
  }

  dot(index) {
    const dot = document.createElement("button");
    dot.type = "button";
    dot.setAttribute("aria-label", `Scene ${index + 1}`);
    dot.addEventListener("click", () => this.show(index, 0));
    return dot;
  }

  show(index, step) {
    if (!this.message.scenes.length) return;
    [this.index, this.step] = [index, step];
    const scene = this.message.scenes[index];
    this.paint();
    this.caption.textContent = scene.caption;
    this.caption.classList.toggle("long", scene.caption.length > LONG_CAPTION);
    this.count.textContent = `${index + 1} / ${this.message.scenes.length}`;
    [...this.dots.children].forEach((dot, place) => (place === index ? dot.setAttribute("aria-current", "true") : dot.removeAttribute("aria-current")));
    this.stops.forEach((stop) => stop());
    delete document.documentElement.dataset.headscopeOpen;
    this.scene.replaceChildren(...scene.parts.map((part) => this.holder(part)));
    this.resize();
    this.stops = scene.parts.map((part, place) => this.fill(part, this.scene.children[place]));
    this.reveal();
    if (this.alone) history.replaceState(null, "", `#${index + 1}`);
  }

  holder(part) {
    const holder = document.createElement("div");
    holder.className = "part";
    if (part.label) {
      const label = document.createElement("p");
      label.className = "label";
      label.textContent = part.label;
      holder.append(label);
    }
    return holder;
  }

  /** Put a picture, or words alone, into its place; returns the way to take it away. */
  fill(part, holder) {
    if (part.text !== undefined) {
      const text = document.createElement("p");
      text.className = "text";
      text.textContent = part.text;
      holder.append(text);
      return () => {};
    }
    const template = this.parent.querySelector(`template[data-part="${part.component}"]`);
    const place = document.createElement("div");
    place.append(template.content.cloneNode(true));
    holder.append(place);
    return MOUNTS[part.component]({ data: this.message[part.array], parentElement: place, setTriggerValue: () => {}, alone: true });
  }

  /** Show the parts whose turn has come; arcs and the like come in at a later step than their sentence. */
  reveal() {
    this.message.scenes[this.index].parts.forEach((part, place) => {
      const holder = this.scene.children[place];
      holder.dataset.shown = Number(this.step >= part.appears);
      holder.dataset.revealed = Number(this.step >= part.reveals);
    });
    this.root.dataset.scene = this.index;
    this.root.dataset.step = this.step;
  }

  forward() {
    if (this.step + 1 < this.message.scenes[this.index].steps) {
      this.step += 1;
      this.reveal();
    } else if (this.index + 1 < this.message.scenes.length) this.show(this.index + 1, 0);
  }

  backward() {
    if (this.step) {
      this.step -= 1;
      this.reveal();
    } else if (this.index) this.show(this.index - 1, this.message.scenes[this.index - 1].steps - 1);
  }

  onKey(event) {
    const [target] = event.composedPath();
    const ours = this.alone || this.dialog.open || this.stage.contains(target);
    if (!ours || event.ctrlKey || event.metaKey || event.altKey || !this.message) return;
    // A focused button is pressed with Enter and the space bar.
    if (target.closest?.("button") && [" ", "Enter"].includes(event.key)) return;
    const last = this.message.scenes.length - 1;
    const actions = { Home: () => this.show(0, 0), End: () => this.show(last, 0), b: () => this.blank(), ".": () => this.blank(), t: () => this.turn(), f: () => this.present() };
    const action = NEXT.includes(event.key) ? () => this.forward() : BACK.includes(event.key) ? () => this.backward() : actions[event.key.length > 1 ? event.key : event.key.toLowerCase()];
    if (!action) return;
    event.preventDefault();
    event.stopPropagation();
    if (this.stage.classList.contains("blank") && !["b", "."].includes(event.key.toLowerCase())) return this.blank();
    action();
  }

  blank() {
    this.stage.classList.toggle("blank");
  }

  /** From light to dark and back. */
  turn() {
    const dark = paletteFor(this.stage, { light: { name: "light" }, dark: { name: "dark" } }).name === "dark";
    this.appearance = dark ? "light" : "dark";
    this.show(this.index, this.step);
  }

  /** Colours of the stage, and of the page behind it where a talk is all of it: its own, or those of the chosen appearance. */
  paint() {
    const colours = this.message.appearances[this.appearance];
    for (const element of [this.stage, this.dialog, ...(this.alone ? [document.documentElement] : [])]) {
      for (const name of ["background", "text", "primary", "border"]) {
        if (colours) element.style.setProperty(`--st-${name}-color`, colours[name]);
        else element.style.removeProperty(`--st-${name}-color`);
      }
    }
  }

  present() {
    if (this.alone) return document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen?.().catch(() => {});
    if (this.dialog.open) return this.dialog.close();
    this.dialog.append(this.stage);
    this.dialog.showModal();
    this.stage.focus();
    this.dialog.requestFullscreen?.().catch(() => {});
  }

  leave() {
    this.root.querySelector(".keys").before(this.stage);
    this.stage.classList.remove("blank");
    if (document.fullscreenElement) document.exitFullscreen();
    this.resize();
  }

  resize() {
    const height = this.stage.clientHeight;
    if (!height || !this.message) return;
    this.stage.style.setProperty("--type", Math.max(0.86, height / PAGE_HEIGHT).toFixed(3));
    const parts = [...this.scene.children];
    const gaps = parseFloat(getComputedStyle(this.scene).rowGap || 0) * Math.max(0, parts.length - 1);
    for (const part of parts) {
      const label = part.querySelector(".label")?.offsetHeight || 0;
      part.style.setProperty("--room", `${Math.floor((this.scene.clientHeight - gaps) / parts.length - label - 6)}px`);
    }
    window.dispatchEvent(new Event("resize"));
  }

  stop() {
    this.stops.forEach((stop) => stop());
    this.observer.disconnect();
    document.removeEventListener("keydown", this.press, true);
    document.removeEventListener("fullscreenchange", this.screened);
  }
}

function mountTalkPlayer({ data, parentElement, alone = false }) {
  const root = parentElement.querySelector(".headscope");
  if (!players.has(root)) players.set(root, new TalkPlayer(root, parentElement, alone));
  const player = players.get(root);
  player.update(unpack(data));
  return () => {
    player.stop();
    players.delete(root);
  };
}
