/** The conditions that are present, each with its problem, its time and its remedy. Hidden while there is none. */
import { byId, fill, h, onChange } from "./dom.js";
import { levelOf } from "./health.js";
import { formatTime, language, onLanguage, t } from "./language.js";
import { conditionTitle, remedyText } from "./overall-state.js";

/** @typedef {import("./health.js").Condition} Condition */

/** @param {import("./state.js").Page} page */
export function startConditions({ state }) {
  const draw = onChange((/** @type {Condition[] | null} */ conditions) => {
    byId("conditions").hidden = conditions?.length === 0;
    fill(byId("conditions-list"), ...(conditions ? conditions.map(line) : [h("li", {}, t("conditions.unknown"))]));
  });
  const update = () => {
    if (state.snapshot) draw(state.snapshot.conditions, language());
  };
  onLanguage(update);
  update();
  return { update };
}

/** @param {Condition} active */
const line = (active) =>
  h(
    "li",
    { "data-level": levelOf(active) },
    h("span", { class: "status-dot" }),
    h(
      "div",
      {},
      h("strong", {}, conditionTitle(active)),
      active.since && h("time", { datetime: active.since, class: "muted" }, ` ${sinceText(active.since)}`),
      h("p", {}, remedyText(active)),
      // The console describes the problem in English, with names and figures.
      h("p", { class: "muted", lang: "en" }, active.problem),
    ),
  );

/** @param {string} since */
const sinceText = (since) => t("conditions.since", { time: formatTime(Date.parse(since)) });
