/**
 * The motion of a clip to look at: play, scrub, speed, and what is shown.
 *
 * @typedef {object} MotionData
 * @property {string} subfolder of the temp folder
 * @property {number} first number of the first frame shown; driving frames count from 0
 * @property {number} stride frames of the clip from one shown to the next
 * @property {Record<string, import("./strips.js").Strips>} modes
 */

import { make } from "../make.js";
import { previewRate } from "../preferences.js";
import { say } from "../words.js";
import { GONE, frame, loadImage, temporaryFile } from "./dom.js";
import { Player, SPEEDS } from "./player.js";
import { placeOf } from "./strips.js";

const MODES = [
  ["person", "Person", "The moving reference person"],
  ["onion", "Overlay", "The moving person, half transparent, over the reference image"],
  ["flow", "Flow", "Motion as colours: hue is direction, saturation is distance"],
  ["arrows", "Arrows", "Arrows from points on the reference image to where they move"],
];

/** @returns {import("./node_view.js").View} */
export function motionView() {
  const ending = new AbortController();
  const { signal } = ending;
  const image = make("canvas", { role: "button", tabindex: "0", "aria-label": say("Play or pause") });
  const modes = make("div", { class: "row", role: "group", "aria-label": say("What is shown") });
  const play = make("button", { class: "play", type: "button" });
  const scrub = make("input", { type: "range", min: "0", value: "0", "aria-label": say("Frame") });
  const count = make("span", { class: "count" });
  const speed = make("select", { "aria-label": say("Speed"), title: say("Speed") });
  const said = make("div", { class: "said", role: "status" });
  const bar = make("div", { class: "row" }, play, scrub, count, speed);
  const element = frame(
    "dispose-motion-view", signal, modes, make("div", { class: "images" }, image), bar, said,
  );
  for (const factor of SPEEDS) speed.append(make("option", { value: `${factor}` }, `${factor}×`));
  speed.value = "1";

  /** @type {MotionData} */
  let data = { subfolder: "", first: 0, stride: 1, modes: {} };
  let player = new Player(1, 1);
  let mode = "";
  let sheets = []; // of the mode; empty places are still loading
  let drawing = 0; // the animation frame that is asked for

  function draw() {
    const strips = data.modes[mode];
    const { sheet, x, y } = placeOf(strips, player.frame);
    const [width, height] = strips.size;
    const number = data.first + player.frame * data.stride;
    scrub.value = `${player.frame}`;
    count.textContent = `${number} / ${data.first + (strips.frames - 1) * data.stride}`;
    element.dataset.frame = `${number}`;
    if (!sheets[sheet]) return; // drawn when it has arrived
    if (image.width !== width || image.height !== height) {
      image.width = width;
      image.height = height;
    }
    image.getContext("2d").drawImage(sheets[sheet], x, y, width, height, 0, 0, width, height);
  }

  function tick(now) {
    if (player.advance(now)) draw();
    drawing = player.playing ? requestAnimationFrame(tick) : 0;
  }

  function setPlaying(playing) {
    if (playing) player.play(performance.now());
    else player.pause();
    cancelAnimationFrame(drawing);
    drawing = playing ? requestAnimationFrame(tick) : 0;
    play.textContent = playing ? "❚❚" : "▶";
    play.title = playing ? say("Pause") : say("Play");
    play.setAttribute("aria-label", play.title);
  }

  async function choose(name) {
    mode = name;
    element.dataset.mode = name;
    for (const button of modes.children) {
      button.setAttribute("aria-pressed", `${button.dataset.mode === name}`);
    }
    const loaded = [];
    sheets = loaded;
    said.textContent = "";
    draw();
    const { files } = data.modes[name];
    await Promise.all(
      files.map(async (file, i) => {
        try {
          loaded[i] = await loadImage(temporaryFile(data.subfolder, file));
        } catch {
          if (sheets === loaded) said.textContent = say(GONE);
          return;
        }
        if (sheets === loaded && placeOf(data.modes[name], player.frame).sheet === i) draw();
      }),
    );
  }

  function seek(to) {
    player.seek(to, performance.now());
    draw();
  }

  const on = (target, type, act) => target.addEventListener(type, act, { signal });
  on(modes, "click", (event) => {
    const button = event.target.closest("button");
    if (button) choose(button.dataset.mode);
  });
  on(play, "click", () => setPlaying(!player.playing));
  on(image, "click", () => setPlaying(!player.playing));
  on(scrub, "input", () => {
    setPlaying(false);
    seek(Number(scrub.value));
  });
  on(speed, "change", () => player.setSpeed(Number(speed.value), performance.now()));
  on(image, "keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.key === " " || event.key === "Enter") setPlaying(!player.playing);
    else if (step) {
      setPlaying(false);
      seek((player.frame + step + player.frames) % player.frames);
    } else return;
    event.preventDefault();
  });
  setPlaying(false);

  return {
    element,
    show(given) {
      const wasPlaying = player.playing;
      const before = player.frame;
      data = given;
      const offered = MODES.filter(([name]) => name in data.modes);
      const frames = Math.min(...offered.map(([name]) => data.modes[name].frames));
      player = new Player(frames, previewRate() / data.stride);
      player.setSpeed(Number(speed.value), 0);
      player.seek(before, 0);
      scrub.max = `${frames - 1}`;
      modes.replaceChildren(
        ...offered.map(([name, label, title]) =>
          make("button", { type: "button", title: say(title), "data-mode": name }, say(label)),
        ),
      );
      setPlaying(wasPlaying);
      choose(mode in data.modes ? mode : Object.keys(data.modes)[0]);
    },
    close() {
      setPlaying(false);
      ending.abort();
      sheets = [];
      element.remove();
    },
  };
}
