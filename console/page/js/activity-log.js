/** What happens, newest first: what the console saw, and what somebody did. */
import { byId, fill, h, onChange } from "./dom.js";
import { clock, language, onLanguage, t } from "./language.js";

const LEVELS = /** @type {Record<string, string>} */ ({
  down: "bad",
  unwell: "bad",
  differs: "bad",
  "log-away": "bad",
  "source-away": "bad",
  paused: "care",
  behind: "care",
  "cache-off": "care",
  "dead-letters-more": "care",
  rebuilding: "care",
  resumed: "well",
  ready: "well",
  "caught-up": "well",
  "cache-on": "well",
  "dead-letters-fewer": "well",
  equal: "well",
  "log-back": "well",
  "source-back": "well",
  rebuilt: "well",
});

/** @param {import("./state.js").State} state */
export function startLog(state) {
  const place = byId("log");
  const line = (/** @type {import("./state.js").Happening} */ { kind, atMs, name, count, act }) =>
    h(
      "li",
      { "data-level": LEVELS[kind] ?? null },
      h("time", { datetime: new Date(atMs).toISOString() }, clock(atMs)),
      h("span", { class: "dot-mark" }),
      h(
        "span",
        {},
        kind === "did"
          ? t(`did.${act}`, { name, count: act === "kill" ? String(count) : count })
          : t(`happened.${kind}`, { name, count }),
      ),
    );
  const draw = onChange((/** @type {import("./state.js").Happening[]} */ happenings) =>
    fill(
      place,
      ...(happenings.length === 0
        ? [h("li", { class: "empty-line" }, h("span", {}, ""), h("span", {}, ""), h("span", {}, t("log.empty")))]
        : happenings.toReversed().map(line)),
    ),
  );
  const update = () => draw(state.happenings, language());
  onLanguage(() => update());
  update();
  return { update };
}
