/** The window of the pose editor: its parts, and what keys, buttons and pointer do with them. */
import { make } from "../make.js";
import { previewRate } from "../preferences.js";
import { say } from "../words.js";
import { at } from "./apply.js";
import { button } from "./button.js";
import { COMMANDS, commandFor, keyName } from "./commands.js";
import { Curves } from "./curves.js";
import { listenOnCurves, listenOnStage, listenOnTimeline } from "./pointer.js";
import { Session } from "./session.js";
import { BODY, DOUBTFUL, GROUPS, NAMES } from "./skeleton.js";
import { Stage } from "./stage.js";
import { STYLE } from "./style.js";
import { Timeline } from "./timeline.js";
import { showWindow } from "./window.js";

const NO_REFERENCE = "Connect a pose to the input reference of the node and run the workflow to see it here.";
/** Keys that a slider takes for itself. */
const SLIDER_KEYS = new Set(["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End", "PageUp", "PageDown"]);

export class Editor {
  /**
   * @param {object} options
   * @param {string} options.title
   * @param {HTMLElement} options.place in the node, where the window is put
   * @param {import("./apply.js").Poses} options.poses as they came into the node
   * @param {import("./edits_text.js").Edit[]} options.edits
   * @param {(onLoad: () => void) => import("./run_files.js").Images} options.images
   * @param {(session: Session) => void} options.onEdit called after every change of the edits
   * @param {() => void} options.onClose
   */
  constructor({ title, place, poses, edits, images, onEdit, onClose }) {
    this.onEdit = onEdit;
    this.onClose = onClose;
    this.before = edits;
    this.ended = new AbortController(); // ends every listener at once
    this.images = images(() => this.paintSoon());
    this.written = edits;
    this.box = null;
    this.#build(title);
    this.session = new Session(poses, edits, () => this.#changed());
    this.#listen();
    showWindow(this.dialog, place, this.ended.signal);
    this.scrubber.focus();
    this.colours = this.#colours();
    this.#resize();
    this.#changed();
  }

  close() {
    if (this.ended.signal.aborted) return;
    this.ended.abort();
    this.sizes.disconnect();
    cancelAnimationFrame(this.painting);
    this.#stop();
    this.images.clear();
    this.dialog.close();
    this.dialog.remove();
    this.onClose();
  }

  /** Takes back everything since the editor was opened, and closes it. */
  discard() {
    if (this.session.edits !== this.before) {
      this.session.history.edits = this.before;
      this.session.reapply();
    }
    this.close();
  }

  /** Shows points elsewhere, in all frames that are meant, without making an edit of it. */
  preview(points, dx, dy) {
    const { figure, range } = this.session;
    for (let frame = range[0]; frame <= range[1]; frame++) {
      for (const point of points) {
        figure[at(frame, point)] += dx;
        figure[at(frame, point) + 1] += dy;
      }
    }
    this.paintSoon();
  }

  zoom(factor, x = this.stage.canvas.clientWidth / 2, y = this.stage.canvas.clientHeight / 2) {
    this.stage.zoomAt(factor, x, y, this.session.given);
    this.paintSoon();
  }

  pan(dx, dy) {
    this.stage.pan.x += dx;
    this.stage.pan.y += dy;
    this.paintSoon();
  }

  fit() {
    this.stage.fit();
    this.paintSoon();
  }

  /** @param {"hands" | "face" | "image" | "onion" | "reference"} part */
  toggle(part) {
    this.stage.shown[part] = !this.stage.shown[part];
    this.paintSoon();
  }

  toggleReference() {
    if (this.session.given.reference) this.toggle("reference");
    else this.session.tell(NO_REFERENCE);
  }

  toggleCurves() {
    this.curves.canvas.hidden = this.side.hidden = !this.side.hidden;
    this.#resize();
  }

  toggleHelp() {
    this.help.hidden = !this.help.hidden;
  }

  selectShown() {
    this.session.select(this.stage.points());
  }

  nextPerson() {
    this.session.choosePerson((this.session.person + 1) % this.session.given.people.length);
  }

  escape() {
    if (!this.help.hidden) this.help.hidden = true;
    else if (this.session.selection.size) this.session.select([]);
    else if (this.session.chosen) this.session.clearFrames();
    else this.close();
  }

  togglePlay() {
    if (this.playing) return this.#stop();
    const { session } = this;
    this.playing = setInterval(
      () => session.goTo((session.frame + 1) % session.given.frames),
      1000 / previewRate(),
    );
  }

  /** Paints once before the browser shows its next image, however often it is called. */
  paintSoon() {
    this.painting ??= requestAnimationFrame(() => {
      this.painting = null;
      this.stage.draw(this.session, this.images.of(this.session.frame), this.box);
      this.timeline.draw(this.session, this.colours);
      if (!this.side.hidden) this.curves.draw(this.session, this.colours);
    });
  }

  #stop() {
    clearInterval(this.playing);
    this.playing = null;
  }

  #build(title) {
    const { signal } = this.ended;
    const buttonFor = (label, help, run) => button(label, help, () => run(this), signal);
    this.notice = make("span", { class: "dp-notice" });
    const done = buttonFor(say("Done"), say("Keep the changes and close (Escape)"), () => this.close());
    done.className = "dp-main";
    const header = make(
      "header", {}, make("h2", {}, title), this.notice,
      buttonFor(
        say("Discard"), say("Discard all changes made since the editor was opened, and close"),
        () => this.discard(),
      ),
      done,
    );
    this.stage = new Stage(make("canvas"));
    this.help = make("div", { class: "dp-help", hidden: "" });
    for (const command of COMMANDS.filter(({ help }) => help)) {
      this.help.append(make("p", {}, make("kbd", {}, keyName(command)), say(command.help)));
    }
    this.hint = make("div", { class: "dp-hint", role: "status" });
    this.status = make("div", { class: "dp-status" });
    this.missing = make("div", { class: "dp-missing" });
    const aside = make("aside", {}, this.status, this.missing);
    for (const group of ["Frames", "Points", "Change", "Motion", "View"]) {
      const buttons = COMMANDS.filter((command) => command.group === group).map((command) =>
        buttonFor(
          say(command.label), say("{help} ({key})", { help: say(command.help), key: keyName(command) }),
          command.run,
        ),
      );
      aside.append(make("h3", {}, say(group)), make("div", { class: "dp-buttons" }, ...buttons));
    }
    this.opacity = make("input", { type: "range", min: "0", max: "100", step: "5" });
    this.opacity.value = String(100 * this.stage.opacity);
    aside.append(make("label", { class: "dp-slider" }, say("Opacity of onion skin and reference"), this.opacity));
    this.label = make("span", { class: "dp-frame" });
    this.scrubber = make("input", { type: "range", min: "0", step: "1", "aria-label": say("Frame") });
    this.timeline = new Timeline(make("canvas"));
    this.legend = make("span", { class: "dp-legend" });
    this.count = make("span", { class: "dp-count" });
    this.curves = new Curves(make("canvas", { class: "dp-curves", role: "img", "aria-label": say("Curves") }));
    this.curveText = make("div", { class: "dp-curve-text" });
    this.eases = Object.entries(EASE_NAMES).map(([ease, [label, help]]) =>
      Object.assign(buttonFor(say(label), say(help), () => this.session.setEase(ease)), { ease }),
    );
    this.side = make("div", { class: "dp-side" }, this.curveText, make("div", { class: "dp-eases" }, ...this.eases));
    const footer = make(
      "footer", {}, this.label, this.scrubber, this.count, this.timeline.canvas,
      this.side, this.curves.canvas, make("span"), this.legend,
    );
    this.dialog = make(
      "dialog", { class: "dispose-editor", "aria-label": title }, make("style", {}, STYLE),
      header, make("div", { class: "dp-stage" }, this.stage.canvas, this.hint, this.help), aside, footer,
    );
  }

  #listen() {
    const { signal } = this.ended;
    this.scrubber.max = String(this.session.given.frames - 1);
    this.scrubber.addEventListener("input", () => this.session.goTo(Number(this.scrubber.value)), { signal });
    this.dialog.addEventListener("keydown", (event) => this.#press(event), { signal });
    this.dialog.addEventListener("cancel", (event) => event.preventDefault(), { signal });
    this.dialog.addEventListener("focusin", ({ target }) => target === this.dialog && this.scrubber.focus(), { signal });
    listenOnStage(this, signal);
    listenOnTimeline(this, signal);
    listenOnCurves(this, signal);
    this.opacity.addEventListener("input", () => {
      this.stage.opacity = Number(this.opacity.value) / 100;
      this.paintSoon();
    }, { signal });
    // By mouse it gives the focus back, so that the arrow keys go on through the frames.
    this.opacity.addEventListener("pointerup", () => this.scrubber.focus(), { signal });
    this.sizes = new ResizeObserver(() => this.#resize());
    this.sizes.observe(this.stage.canvas);
  }

  #press(event) {
    const onButton = event.target.type === "button" && (event.key === " " || event.key === "Enter");
    const onSlider = event.target === this.opacity && SLIDER_KEYS.has(event.key) && !event.altKey && !event.ctrlKey;
    const command = onButton || onSlider ? undefined : commandFor(event);
    if (!command) return;
    event.preventDefault();
    command.run(this);
  }

  #resize() {
    this.stage.resize();
    this.timeline.resize();
    this.curves.resize();
    this.paintSoon();
  }

  /** After a change of edits, frame, person or selection. */
  #changed() {
    const { session } = this;
    if (!session || !this.colours) return; // still being built
    if (session.edits !== this.written) {
      this.written = session.edits;
      this.onEdit(session);
    }
    this.timeline.update(session);
    this.curves.update(session);
    this.scrubber.value = String(session.frame);
    this.label.textContent = `${session.frame} / ${session.given.frames - 1}`;
    this.#tellFrames();
    this.#tellCurves();
    this.hint.textContent = say(session.hint, session.hintValues);
    this.#tellEdits();
    this.#tellSelection();
    this.paintSoon();
  }

  /** Which frames are selected, and whether changes apply to them. */
  #tellFrames() {
    const { chosen, frame } = this.session;
    const legend = say("red: missing · orange: doubtful · blue: edited · ◆ key");
    this.count.textContent = "";
    this.legend.textContent = legend;
    if (!chosen) return;
    const [first, last] = chosen;
    const values = { legend, first, last };
    const isActive = first <= frame && frame <= last;
    this.count.textContent = say("{count} frames", { count: last - first + 1 });
    this.count.classList.toggle("dp-active", isActive);
    this.legend.textContent = isActive
      ? say("{legend} · changes apply to frames {first}–{last}", values)
      : say("{legend} · this frame is outside the selected frames {first}–{last}: changes apply to it alone", values);
  }

  #tellCurves() {
    const { session, curves } = this;
    const { width, height } = session.given;
    const ease = session.easeHere();
    for (const made of this.eases) made.setAttribute("aria-pressed", String(made.ease === ease));
    if (curves.point === null) {
      this.curveText.textContent = say("Select a point to see its curves.");
      return;
    }
    const { x, y, score } = session.pointAt(curves.point);
    const places = score > 0 ? `x ${(x * width).toFixed(1)}\ny ${(y * height).toFixed(1)}` : "–";
    this.curveText.textContent = `${NAMES[curves.point]}\n${places}`;
  }

  #tellEdits() {
    const { edits, problems } = this.session;
    const count = edits.length === 1 ? say("1 edit") : say("{count} edits", { count: edits.length });
    const numbered = problems.map(({ edit, text }) => ({ number: edit, text }));
    this.notice.textContent = numbered.length
      ? say("{edits} · {lost} no longer apply: edit {number}: {text}", {
          edits: count, lost: numbered.length, ...numbered[0],
        })
      : count;
    this.notice.title = numbered.map((problem) => say("edit {number}: {text}", problem)).join("\n");
  }

  #tellSelection() {
    const { session } = this;
    const chosen = [...session.selection];
    const { people } = session.given;
    const place = { person: session.person, people: people.length };
    const who = people.length > 1 ? `${say("person {person} of {people}", place)}\n` : "";
    if (chosen.length === 1) {
      this.status.textContent = `${who}${NAMES[chosen[0]]}\n${stateOf(session.pointAt(chosen[0]))}`;
    } else {
      const many = say("{count} points", { count: chosen.length });
      this.status.textContent = who + (chosen.length ? many : say("whole figure"));
    }
    const missing = GROUPS.body.filter((point) => !(session.pointAt(point).score > 0));
    const key = missing.join();
    if (key === this.missing.dataset.points) return;
    this.missing.dataset.points = key;
    this.missing.replaceChildren(
      ...missing.map((point) =>
        button(BODY[point], say("Missing in this frame; click to select it"), () => session.select([point]), this.ended.signal),
      ),
    );
  }

  #colours() {
    const style = getComputedStyle(this.dialog);
    const of = (name, fallback) => style.getPropertyValue(name).trim() || fallback;
    return {
      quiet: of("--comfy-input-bg", "#222"),
      current: of("--fg-color", "#fff"),
      range: of("--dp-edited", "blue"),
      text: of("--descrip-text", "#999"),
      curveX: of("--dp-x", "red"),
      curveY: of("--dp-y", "green"),
      missing: of("--dp-missing", "red"),
      doubtful: of("--dp-doubtful", "orange"),
      edited: of("--dp-edited", "blue"),
    };
  }
}

/** Of each ease: its button, and what it does. */
const EASE_NAMES = {
  linear: ["Linear", "At even speed to the next key (E)"],
  smooth: ["Smooth", "Slowly away from the key and slowly towards the next one (E)"],
  hold: ["Hold", "Stay until the next key (E)"],
  keep: ["Keep", "Leave the frames up to the next key as they are (E)"],
};

function stateOf({ score }) {
  if (!(score > 0)) return say("missing in this frame: click the image or press Alt + arrow to place it");
  const shown = { score: score.toFixed(2) };
  return score < DOUBTFUL ? say("score {score}, doubtful", shown) : say("score {score}", shown);
}
