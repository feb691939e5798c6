/** Mouse, pen and touch on the stage and the timeline. */

/**
 * Listens on the stage: drag a point or the selection, draw a box around points, Alt-drag the whole
 * figure, pan with the other buttons, zoom with the wheel.
 * @param {import("./editor.js").Editor} editor
 * @param {AbortSignal} signal ends all of it
 */
export function listenOnStage(editor, signal) {
  const { canvas } = editor.stage;
  let drag = null;
  // Nodes 2.0 takes the wheel and the middle button for the graph before they come to anything
  // inside a node. Only the window hears them earlier.
  const on = (type, listener) =>
    window.addEventListener(
      type,
      (event) => {
        if (event.target !== canvas) return;
        event.stopPropagation();
        listener(event);
      },
      { signal, capture: true, passive: false },
    );

  on("pointerdown", (event) => {
    event.preventDefault(); // the focus stays on an input
    if (drag) return;
    drag = begin(editor, event);
    if (event.isTrusted) canvas.setPointerCapture(event.pointerId); // a script's has no pointer
    drag.move?.(event);
  });
  on("pointermove", (event) => {
    if (!drag) return;
    drag.move?.(event);
    drag.moved ||= Math.hypot(event.offsetX - drag.x, event.offsetY - drag.y) > 3;
  });
  on("pointerup", (event) => {
    if (!drag) return;
    const { end } = drag;
    const { moved } = drag;
    drag = null;
    end?.(event, moved);
  });
  on("pointercancel", () => {
    drag = null;
    editor.box = null;
    editor.session.reapply();
  });
  on("contextmenu", (event) => event.preventDefault());
  on("wheel", (event) => {
    event.preventDefault();
    const factor = Math.exp(-Math.sign(event.deltaY) * 0.12);
    if (event.altKey) editor.session.scale(Math.exp(-Math.sign(event.deltaY) * 0.02));
    else editor.zoom(factor, event.offsetX, event.offsetY);
  });
}

/** What a press begins: `move` follows the pointer, `end` makes the change. */
function begin(editor, event) {
  const { session, stage } = editor;
  const start = { x: event.offsetX, y: event.offsetY };
  if (event.button !== 0) {
    let last = start;
    return {
      ...start,
      move: ({ offsetX: x, offsetY: y }) => {
        editor.pan(x - last.x, y - last.y);
        last = { x, y };
      },
    };
  }
  if (event.altKey) {
    session.select([]);
    return shiftPoints(editor, start);
  }
  const point = stage.pointUnder(start.x, start.y, session);
  if (point === null) return drawBox(editor, start, event.shiftKey);
  if (event.shiftKey) session.select([point], { add: true });
  else if (!session.selection.has(point)) session.select([point]);
  const [first, last] = session.range;
  const isOne = session.selection.size === 1 && first === last;
  return isOne ? movePoint(editor, start, point) : shiftPoints(editor, start);
}

function movePoint(editor, start, point) {
  const { session } = editor;
  const held = session.pointAt(point);
  const [fx, fy] = editor.stage.toFractions(start.x, start.y, session.given);
  const place = (event) => {
    const [x, y] = editor.stage.toFractions(event.offsetX, event.offsetY, session.given);
    return [held.x + x - fx, held.y + y - fy];
  };
  return {
    ...start,
    move: (event) => {
      session.preview(point, ...place(event));
      editor.paintSoon();
    },
    end: (event, moved) => (moved ? session.move(point, ...place(event)) : session.reapply()),
  };
}

function shiftPoints(editor, start) {
  const { session } = editor;
  const [fx, fy] = editor.stage.toFractions(start.x, start.y, session.given);
  let done = [0, 0];
  const offset = (event) => {
    const [x, y] = editor.stage.toFractions(event.offsetX, event.offsetY, session.given);
    return [x - fx, y - fy];
  };
  return {
    ...start,
    move: (event) => {
      const [dx, dy] = offset(event);
      editor.preview(session.points, dx - done[0], dy - done[1]);
      done = [dx, dy];
    },
    end: (event, moved) => {
      session.reapply(); // takes the preview back
      if (moved) session.shift(...offset(event));
    },
  };
}

function drawBox(editor, start, add) {
  const { session, stage } = editor;
  return {
    ...start,
    move: ({ offsetX: x, offsetY: y }) => {
      editor.box = {
        x: Math.min(x, start.x), y: Math.min(y, start.y),
        width: Math.abs(x - start.x), height: Math.abs(y - start.y),
      };
      editor.paintSoon();
    },
    end: (event, moved) => {
      const { box } = editor;
      editor.box = null;
      if (moved) return session.select(pointsIn(box, session, stage), { add });
      const lone = session.selection.size === 1 ? [...session.selection][0] : null;
      if (lone !== null && !(session.pointAt(lone).score > 0)) {
        // A missing point is put where the image is clicked.
        session.move(lone, ...stage.toFractions(start.x, start.y, session.given));
      } else if (!add) session.select([]);
    },
  };
}

function pointsIn(box, session, stage) {
  const [left, top] = stage.toFractions(box.x, box.y, session.given);
  const [right, bottom] = stage.toFractions(box.x + box.width, box.y + box.height, session.given);
  return stage.points().filter((point) => {
    const { x, y, score } = session.pointAt(point);
    return score > 0 && x >= left && x <= right && y >= top && y <= bottom;
  });
}

/**
 * Click or drag on the timeline goes to a frame. With Shift a drag selects frames, and a click those
 * from the selected ones, or from the current frame, to it.
 */
export function listenOnTimeline(editor, signal) {
  const { canvas } = editor.timeline;
  const { session } = editor;
  let held = null; // the frame that was pressed, and whether frames are being selected
  const frameAt = ({ offsetX }) => editor.timeline.frameAt(offsetX, session.given.frames);
  listenTo(canvas, signal, {
    down(event) {
      const frame = frameAt(event);
      held = { frame, selects: event.shiftKey };
      if (!event.shiftKey) session.goTo(frame);
    },
    move(event) {
      const frame = frameAt(event);
      if (!held.selects) session.goTo(frame);
      else if (frame !== held.frame || held.moved) {
        held.moved = true;
        session.selectFrames(held.frame, frame);
      }
    },
    up() {
      if (held.selects && !held.moved) session.selectFrames(session.mark ?? session.frame, held.frame);
    },
  });
}

/** On the curves a click or drag goes to a frame, and keys and placed points are dragged up and down. */
export function listenOnCurves(editor, signal) {
  const { curves, session } = editor;
  const { canvas } = curves;
  let held = null;
  const placeOf = ({ offsetY }) => {
    const { axis, start, y } = held;
    const moved = (y - offsetY) * curves.unit(axis);
    return axis ? [start.x, start.y + moved] : [start.x + moved, start.y];
  };
  listenTo(canvas, signal, {
    down(event) {
      const { offsetX: x, offsetY: y } = event;
      const dot = curves.under(x, y, session);
      if (dot) held = { ...dot, y, start: session.pointAt(curves.point, dot.frame), moved: false };
      session.goTo(dot ? dot.frame : curves.frameAt(x, session.given.frames));
    },
    move(event) {
      if (!held) return session.goTo(curves.frameAt(event.offsetX, session.given.frames));
      held.moved ||= Math.abs(event.offsetY - held.y) > 2;
      if (!held.moved) return;
      session.preview(curves.point, ...placeOf(event), held.frame);
      editor.paintSoon();
    },
    up(event) {
      if (held?.moved) session.move(curves.point, ...placeOf(event), held.frame);
      held = null;
    },
    cancel() {
      held = null;
      session.reapply();
    },
  });
}

/** Presses of the main button on a canvas, and what follows until it is let go. */
function listenTo(canvas, signal, { down, move, up, cancel }) {
  let held = false;
  const on = (type, listener) => canvas.addEventListener(type, listener, { signal });
  on("pointerdown", (event) => {
    event.preventDefault(); // the focus stays on an input
    if (held || event.button !== 0) return;
    held = true;
    if (event.isTrusted) canvas.setPointerCapture(event.pointerId);
    down(event);
  });
  on("pointermove", (event) => held && move(event));
  on("pointerup", (event) => {
    if (held) up(event);
    held = false;
  });
  on("pointercancel", () => {
    held = false;
    cancel?.();
  });
}
