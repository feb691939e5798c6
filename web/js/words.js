/**
 * Texts in the user's language: ComfyUI's setting `Comfy.Locale`, asked when a text is shown. The
 * English text is the key, so that code stays readable and a missing translation is English.
 *
 * Not here: names of joints, and what is wrong with edits (`editor/edits_text.js`, `apply.js`),
 * which the node says in the same words; names, tooltips and settings are in `locales/`.
 */

import { app } from "../../../scripts/app.js";
import { translate } from "./words_zh.js";

/**
 * @param {string} english with {name} where a value goes
 * @param {Record<string, string | number>} [values]
 * @returns {string}
 */
export function say(english, values) {
  return translate(app.extensionManager.setting.get("Comfy.Locale"), english, values);
}
