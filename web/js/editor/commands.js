/**
 * Everything the editor can do, each with its button and key: buttons, keyboard and help are made
 * from this list, so that none of them knows more than the others.
 *
 * @typedef {object} Command
 * @property {string} label
 * @property {string[]} keys as `comboOf` names them; the first one is shown
 * @property {string} help
 * @property {string} [group] heading of its button; without one it has a key only
 * @property {(editor: import("./editor.js").Editor) => void} run
 */

const NUDGE = 0.002;
const NUDGE_FAR = 0.02;
const PAN = 60;

const arrows = (modifier, label, help, act) =>
  [["ArrowLeft", -1, 0], ["ArrowRight", 1, 0], ["ArrowUp", 0, -1], ["ArrowDown", 0, 1]].map(
    ([key, dx, dy], i) => ({
      label,
      keys: [`${modifier}${key}`],
      help: i ? "" : help,
      run: (editor) => act(editor, dx, dy),
    }),
  );

/** @type {Command[]} */
export const COMMANDS = [
  { label: "Play", keys: [" "], group: "Frames", help: "Play or stop", run: (e) => e.togglePlay() },
  { label: "Mark range", keys: ["b"], group: "Frames", help: "Start to select frames here; press again at the other end, and a third time to clear (Shift + drag on the timeline)", run: (e) => e.session.setMark() },
  { label: "◀ Frame", keys: ["ArrowLeft"], group: "Frames", help: "Previous frame", run: (e) => e.session.goTo(e.session.frame - 1) },
  { label: "Frame ▶", keys: ["ArrowRight"], group: "Frames", help: "Next frame", run: (e) => e.session.goTo(e.session.frame + 1) },
  { label: "", keys: ["Shift+ArrowLeft"], help: "Ten frames back", run: (e) => e.session.goTo(e.session.frame - 10) },
  { label: "", keys: ["Shift+ArrowRight"], help: "Ten frames forward", run: (e) => e.session.goTo(e.session.frame + 10) },
  { label: "", keys: ["Home"], help: "First frame", run: (e) => e.session.goTo(0) },
  { label: "", keys: ["End"], help: "Last frame", run: (e) => e.session.goTo(Infinity) },
  { label: "◀ Flagged", keys: ["Shift+D"], group: "Frames", help: "Previous frame with a missing or doubtful point", run: (e) => e.session.nextDoubt(-1) },
  { label: "Flagged ▶", keys: ["d"], group: "Frames", help: "Next frame with a missing or doubtful point", run: (e) => e.session.nextDoubt(1) },
  { label: "◀ Key", keys: [","], group: "Frames", help: "Previous key of the points", run: (e) => e.session.nextKey(-1) },
  { label: "Key ▶", keys: ["."], group: "Frames", help: "Next key of the points", run: (e) => e.session.nextKey(1) },

  { label: "Clear selection", keys: ["a"], group: "Points", help: "Clear the selection, so that changes apply to the whole figure", run: (e) => e.session.select([]) },
  { label: "Select all", keys: ["Ctrl+a"], group: "Points", help: "Select all points, to drag the whole figure", run: (e) => e.selectShown() },
  { label: "Select group", keys: ["g"], group: "Points", help: "Select the whole hand, foot, face or body of the selected point", run: (e) => e.session.selectGroup() },
  { label: "Next point", keys: ["n"], group: "Points", help: "Select the next point", run: (e) => e.session.selectNext(1) },
  { label: "", keys: ["Shift+N"], help: "Select the previous point", run: (e) => e.session.selectNext(-1) },
  { label: "Next person", keys: ["p"], group: "Points", help: "Edit the next person, if there are several", run: (e) => e.nextPerson() },

  { label: "Hide", keys: ["h", "Delete"], group: "Change", help: "Hide the points, so that they count as missing", run: (e) => e.session.hide() },
  { label: "Restore", keys: ["r"], group: "Change", help: "Restore the points as they were detected", run: (e) => e.session.restore() },
  { label: "Copy", keys: ["Ctrl+c"], group: "Change", help: "Copy the points of this frame, or of the selected frames", run: (e) => e.session.copy() },
  { label: "Paste", keys: ["Ctrl+v"], group: "Change", help: "Paste at this frame; into selected frames again and again until they are full", run: (e) => e.session.paste() },
  { label: "Larger", keys: ["+", "="], group: "Change", help: "Scale up around the centre", run: (e) => e.session.scale(1.02) },
  { label: "Smaller", keys: ["-"], group: "Change", help: "Scale down around the centre", run: (e) => e.session.scale(1 / 1.02) },
  { label: "Mirror", keys: ["m"], group: "Change", help: "Mirror the figure horizontally", run: (e) => e.session.mirror() },
  { label: "Swap sides", keys: ["x"], group: "Change", help: "Swap left and right limbs if they were confused", run: (e) => e.session.swap() },
  ...arrows("Alt+", "", "Alt + arrows: move the points in small steps", (e, dx, dy) => e.session.shift(dx * NUDGE, dy * NUDGE)),
  ...arrows("Alt+Shift+", "", "Alt + Shift + arrows: move the points in larger steps", (e, dx, dy) => e.session.shift(dx * NUDGE_FAR, dy * NUDGE_FAR)),
  { label: "Undo", keys: ["Ctrl+z"], group: "Change", help: "Undo the last change", run: (e) => e.session.undo() },
  { label: "Redo", keys: ["Ctrl+Shift+Z", "Ctrl+y"], group: "Change", help: "Redo the change that was undone", run: (e) => e.session.redo() },

  { label: "Set key", keys: ["k"], group: "Motion", help: "Set a key for the points; between keys they are interpolated, and dragging there sets another", run: (e) => e.session.setKey() },
  { label: "Remove key", keys: ["Shift+K"], group: "Motion", help: "Remove the keys of the points from this frame, or from the selected frames", run: (e) => e.session.removeKey() },
  { label: "Interpolate", keys: ["i"], group: "Motion", help: "Interpolate between the ends of the selected frames", run: (e) => e.session.interpolate() },
  { label: "Reverse", keys: ["t"], group: "Motion", help: "Play the points backwards in the selected frames", run: (e) => e.session.reverse() },
  { label: "Copy previous", keys: ["c"], group: "Motion", help: "Copy the points from the previous frame", run: (e) => e.session.copyPrevious() },
  { label: "", keys: ["e"], help: "Change the ease of the keys around this frame, and of new ones: linear, smooth, hold, keep", run: (e) => e.session.nextEase() },

  { label: "Fit", keys: ["0"], group: "View", help: "Show the whole image", run: (e) => e.fit() },
  { label: "Zoom in", keys: ["1"], group: "View", help: "Zoom in (mouse wheel)", run: (e) => e.zoom(1.25) },
  { label: "Zoom out", keys: ["2"], group: "View", help: "Zoom out (mouse wheel)", run: (e) => e.zoom(0.8) },
  ...arrows("Ctrl+", "", "Ctrl + arrows: pan (drag with the right or middle button)", (e, dx, dy) => e.pan(-dx * PAN, -dy * PAN)),
  { label: "Hands", keys: ["3"], group: "View", help: "Show or hide the hands", run: (e) => e.toggle("hands") },
  { label: "Face", keys: ["4"], group: "View", help: "Show or hide the face", run: (e) => e.toggle("face") },
  { label: "Image", keys: ["5"], group: "View", help: "Show or hide the image", run: (e) => e.toggle("image") },
  { label: "Onion skin", keys: ["6"], group: "View", help: "Show or hide the figure in the three frames before (orange) and after (blue)", run: (e) => e.toggle("onion") },
  { label: "Reference", keys: ["7"], group: "View", help: "Show or hide the silhouette of the reference pose", run: (e) => e.toggleReference() },
  { label: "Curves", keys: ["8"], group: "View", help: "Show or hide the curves of the selected point", run: (e) => e.toggleCurves() },
  { label: "Help", keys: ["?"], group: "View", help: "Show or hide this list", run: (e) => e.toggleHelp() },
  { label: "", keys: ["Escape"], help: "Clear the selection of points, then that of frames; then keep the changes and close", run: (e) => e.escape() },
];

const BY_KEY = new Map(COMMANDS.flatMap((command) => command.keys.map((key) => [key, command])));

/**
 * "Ctrl+Shift+Z", "ArrowLeft", "?" for a key press; Cmd counts as Ctrl. On a keyboard of another
 * script a letter is the one that stands on the key in Latin.
 */
export function comboOf({ key, code, ctrlKey, metaKey, altKey, shiftKey }) {
  const [, latin] = (/^[^\x00-\x7f]$/.test(key) && /^Key([A-Z])$/.exec(code)) || [];
  const pressed = latin ?? key;
  const isLetter = /^[a-z]$/i.test(pressed);
  const named = isLetter ? (shiftKey ? pressed.toUpperCase() : pressed.toLowerCase()) : pressed;
  const shift = shiftKey && (pressed.length > 1 || isLetter); // "?" says itself that Shift is held
  return `${ctrlKey || metaKey ? "Ctrl+" : ""}${altKey ? "Alt+" : ""}${shift ? "Shift+" : ""}${named}`;
}

/** @returns {Command | undefined} */
export function commandFor(event) {
  return BY_KEY.get(comboOf(event));
}

/** The first key of a command as people write it. */
export function keyName(command) {
  const names = { " ": "Space", ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓" };
  const parts = command.keys[0] === "+" ? ["+"] : command.keys[0].split("+");
  return parts.map((part) => names[part] ?? (part.length === 1 ? part.toUpperCase() : part)).join("+");
}
