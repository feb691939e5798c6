/**
 * Views inside nodes: a view appears under a node's widgets with the node's first result, follows
 * its runs, and goes with the node.
 *
 * @typedef {object} View
 * @property {HTMLElement} element
 * @property {(data: object) => void} show what the node sent with its result
 * @property {() => void} close ends everything that runs or listens
 */

import { app } from "../../../../scripts/app.js";
import { previewSize } from "../preferences.js";

const LEAST_HEIGHT = 160; // pixels
const LEAST_WIDTH = 300;
// The front end puts results of a run back a moment after it has loaded the graph.
const RESTORED = 300; // milliseconds

/**
 * @param {object} options
 * @param {string} options.name of the extension
 * @param {string[]} options.nodes ids of the node classes
 * @param {string} options.key of the node's `ui` output
 * @param {(node: object) => View} options.open
 * @returns {object} for `app.registerExtension`
 */
export function nodeView({ name, nodes, key, open }) {
  /** @type {WeakMap<object, View>} */
  const views = new WeakMap();

  function show(node, output) {
    const data = output?.[key]?.[0];
    if (!data || !node.graph) return;
    let view = views.get(node);
    if (!view) {
      view = open(node);
      views.set(node, view);
      addTo(node, view, key);
    }
    view.show(data);
  }

  return {
    name,

    nodeCreated(node) {
      if (!nodes.includes(node.comfyClass)) return;
      const { onExecuted, onRemoved } = node;
      node.onExecuted = function (output) {
        onExecuted?.apply(this, arguments);
        show(this, output);
      };
      node.onRemoved = function () {
        onRemoved?.apply(this, arguments);
        views.get(this)?.close();
        views.delete(this);
      };
    },

    loadedGraphNode(node) {
      if (!nodes.includes(node.comfyClass)) return;
      setTimeout(() => !views.has(node) && show(node, resultOf(node)), RESTORED);
    },
  };
}

function addTo(node, view, name) {
  const widget = node.addDOMWidget(name, name, view.element, {
    serialize: false,
    hideOnZoom: false,
    hideInPanel: true, // the element is in one place at a time, and that is the node
    getMinHeight: () => LEAST_HEIGHT,
  });
  widget.serialize = false; // nothing of it belongs in the saved workflow
  const [width, height] = node.computeSize();
  node.setSize([
    Math.max(node.size[0], width, LEAST_WIDTH),
    Math.max(node.size[1], height - LEAST_HEIGHT + previewSize()),
  ]);
  node.setDirtyCanvas(true, true);
}

/** What a node of the open workflow gave in its last run, if it has run. */
function resultOf(node) {
  const graph = node.graph;
  if (!graph) return undefined;
  const inside = graph.rootGraph && graph !== graph.rootGraph;
  return app.nodeOutputs?.[inside ? `${graph.id}:${node.id}` : String(node.id)];
}
