/** The activity log, newest first: changes that the console detected, and actions of users. */
import { byId, fill, h, onChange } from "./dom.js";
import { formatTime, language, onLanguage, t } from "./language.js";

/** Level of each kind; none for actions. */
const LEVELS = /** @type {Record<string, string>} */ ({
  down: "error",
  "not-ready": "error",
  differs: "error",
  "log-unavailable": "error",
  "source-unavailable": "error",
  paused: "warning",
  behind: "warning",
  "cache-off": "warning",
  "dead-letters-opened": "warning",
  "rebuild-started": "warning",
  resumed: "ok",
  ready: "ok",
  "caught-up": "ok",
  "cache-on": "ok",
  "dead-letters-closed": "ok",
  equal: "ok",
  "log-available": "ok",
  "source-available": "ok",
  "rebuild-ended": "ok",
});

/** @typedef {import("./state.js").Activity} Activity */

/** @param {import("./state.js").Page} page */
export function startActivityLog({ state }) {
  const draw = onChange((/** @type {Activity[]} */ activity) =>
    fill(byId("log"), ...(activity.length === 0 ? [emptyLine()] : activity.toReversed().map(line))),
  );
  const update = () => draw(state.activity, language());
  onLanguage(update);
  update();
  return { update };
}

const emptyLine = () =>
  h("li", { class: "empty-line" }, h("span", {}, ""), h("span", {}, ""), h("span", {}, t("log.empty")));

/** @param {Activity} activity */
const line = (activity) =>
  h(
    "li",
    { "data-level": LEVELS[activity.kind] ?? null },
    h("time", { datetime: new Date(activity.atMs).toISOString() }, formatTime(activity.atMs)),
    h("span", { class: "status-dot" }),
    h("span", {}, textOf(activity)),
  );

/** @param {Activity} activity */
function textOf({ kind, name, count, action }) {
  if (kind !== "action") return t(`activity.${kind}`, { name, count });
  // A pid as text, so that it gets no thousands separator.
  return t(`action.${action}`, { name, count: action === "kill" ? String(count) : count });
}
