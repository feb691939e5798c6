/** How the editor looks: ComfyUI's own colours, light or dark. */
export const STYLE = `
.dispose-editor {
  --dp-missing: #e5484d; --dp-doubtful: #e2a336; --dp-edited: #3b82f6; --dp-main: #0b6bcb; --dp-x: #d9485f; --dp-y: #2a9d52;
  position: fixed; inset: 0; width: 100vw; height: 100vh; max-width: none; max-height: none;
  margin: 0; padding: 0; border: 0; overflow: hidden; pointer-events: auto; cursor: default; font: 13px/1.4 Inter, Arial, sans-serif;
  color: var(--fg-color, #ddd); background: var(--bg-color, #202020);
}
.dispose-editor[open] { display: grid; grid-template: auto 1fr auto / 1fr 232px; }
.dispose-editor:focus { outline: none; }
.dispose-editor header {
  grid-column: 1 / 3; display: flex; gap: 8px; align-items: center; padding: 8px 12px;
  background: var(--comfy-menu-bg, #353535); border-bottom: 1px solid var(--border-color, #4e4e4e);
}
.dispose-editor h2 { margin: 0; font-size: 15px; font-weight: 600; color: inherit; }
.dispose-editor header .dp-notice {
  flex: 1; min-width: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap;
  color: var(--descrip-text, #999);
}
.dispose-editor .dp-stage { position: relative; min-width: 0; min-height: 0; }
.dispose-editor .dp-stage canvas {
  position: absolute; inset: 0; width: 100%; height: 100%; touch-action: none; cursor: crosshair;
}
.dispose-editor aside {
  grid-row: 2 / 4; grid-column: 2;
  overflow-y: auto; padding: 8px 12px; background: var(--comfy-menu-bg, #353535);
  border-left: 1px solid var(--border-color, #4e4e4e);
}
.dispose-editor h3 { margin: 10px 0 4px; font-size: 12px; font-weight: 600; color: var(--descrip-text, #999); }
.dispose-editor .dp-buttons { display: grid; grid-template-columns: 1fr 1fr; gap: 4px; }
.dispose-editor input[type="button"] {
  appearance: none; margin: 0; padding: 4px 8px; font: inherit; cursor: pointer;
  color: var(--input-text, #ddd); background: var(--comfy-input-bg, #222);
  border: 1px solid var(--border-color, #4e4e4e); border-radius: 5px;
}
.dispose-editor input[type="button"]:hover { border-color: var(--input-text, #ddd); }
.dispose-editor input:focus-visible { outline: 2px solid var(--dp-edited); outline-offset: 1px; }
.dispose-editor input[type="button"].dp-main { background: var(--dp-main); color: #fff; border-color: transparent; }
.dispose-editor .dp-status { min-height: 3.2em; white-space: pre-line; overflow-wrap: anywhere; }
.dispose-editor .dp-missing { display: flex; flex-wrap: wrap; gap: 4px; }
.dispose-editor .dp-missing input { padding: 1px 6px; border-color: var(--dp-missing); }
.dispose-editor footer {
  grid-column: 1; display: grid; grid-template-columns: 112px minmax(0, 1fr); gap: 2px 10px; align-items: center;
  padding: 8px 12px; background: var(--comfy-menu-bg, #353535);
  border-top: 1px solid var(--border-color, #4e4e4e);
}
.dispose-editor footer canvas { width: 100%; height: 34px; cursor: pointer; touch-action: none; }
.dispose-editor footer input[type="range"] { width: 100%; margin: 0; accent-color: var(--dp-edited); }
.dispose-editor footer canvas.dp-curves { height: clamp(104px, 14vh, 144px); cursor: crosshair; border-radius: 4px; }
.dispose-editor .dp-side { align-self: stretch; display: flex; flex-direction: column; justify-content: space-between; min-width: 0; }
.dispose-editor .dp-curve-text { font-size: 12px; white-space: pre-line; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
.dispose-editor .dp-eases { display: grid; grid-template-columns: 1fr 1fr; gap: 3px; }
.dispose-editor .dp-eases input[type="button"] { padding: 2px 0; font-size: 11px; }
.dispose-editor .dp-eases input[aria-pressed="true"] { background: var(--dp-main); color: #fff; border-color: transparent; }
.dispose-editor .dp-count { font-size: 11px; color: var(--descrip-text, #999); }
.dispose-editor .dp-count.dp-active { justify-self: start; padding: 1px 7px; border-radius: 5px; background: var(--dp-main); color: #fff; }
.dispose-editor .dp-slider { display: block; margin-top: 8px; font-size: 12px; color: var(--descrip-text, #999); }
.dispose-editor .dp-slider input { width: 100%; margin: 2px 0 0; accent-color: var(--dp-edited); }
.dispose-editor footer .dp-frame { font-variant-numeric: tabular-nums; }
.dispose-editor footer .dp-legend { color: var(--descrip-text, #999); font-size: 11px; }
.dispose-editor .dp-help {
  position: absolute; inset: 16px; overflow: auto; padding: 12px 18px; border-radius: 8px;
  columns: 2 320px; column-gap: 28px; background: var(--comfy-menu-bg, #353535);
  border: 1px solid var(--border-color, #4e4e4e);
}
.dispose-editor .dp-hint {
  position: absolute; bottom: 16px; left: 50%; transform: translateX(-50%); max-width: 80%;
  padding: 8px 14px; border-radius: 8px; color: var(--input-text, #ddd); pointer-events: none;
  background: var(--comfy-menu-bg, #353535); border: 1px solid var(--dp-doubtful);
}
.dispose-editor .dp-hint:empty, .dispose-editor [hidden] { display: none; }
.dispose-editor .dp-help p { margin: 0; padding: 3px 0; display: flex; gap: 10px; break-inside: avoid; }
.dispose-editor kbd {
  flex: none; min-width: 104px; font: inherit; color: var(--input-text, #ddd);
}
.dispose-editor.dp-message[open] { display: grid; place-content: center; gap: 16px; justify-items: center; grid-template: none; }
.dispose-editor.dp-message p { max-width: 560px; margin: 0; white-space: pre-line; text-align: center; overflow-wrap: anywhere; }
.dispose-editor.dp-message div { display: flex; gap: 8px; }
`;
