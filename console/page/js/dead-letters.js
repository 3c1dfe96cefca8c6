/** Dead letters: what could not be processed, why, and what to do about it. */
import { ask, tell } from "./api.js";
import { showLetter } from "./dead-letter-dialog.js";
import { byId, fill, h, keepFocus, onChange } from "./dom.js";
import { ago, language, onLanguage, t } from "./language.js";

const SHOWN = 20;
const AGAIN_MS = 1_500;
const STATES = { open: "care", superseded: "well", replayed: "well", dropped: null };

/**
 * @param {import("./state.js").About} about @param {import("./state.js").State} state
 * @param {(work: () => Promise<unknown>) => Promise<void>} attempt
 */
export function startLetters(about, state, attempt) {
  const place = byId("letters");
  /** @type {any[]} */
  let items = [];
  let askedFor = "";
  let askedAt = Number.NEGATIVE_INFINITY;

  const act = (/** @type {string} */ name, /** @type {string[]} */ origins) =>
    attempt(async () => {
      await tell("/api/dead-letters", { act: name, origins });
      await refresh();
    });
  const button = (/** @type {string} */ name, /** @type {any} */ item, /** @type {() => unknown} */ onclick) =>
    h(
      "button",
      {
        class: "button small",
        type: "button",
        "data-key": `${name}-${item.origin}`,
        "aria-label": `${t(`letters.${name}`)} ${item.origin}`,
        onclick,
      },
      t(`letters.${name}`),
    );
  const row = (/** @type {any} */ item) => {
    const canAct = about.operations && item.state === "open";
    return h(
      "tr",
      {},
      h("th", { scope: "row" }, item.reason),
      h("td", {}, item.replica ?? "stream"),
      h("td", {}, item.id ? h("span", { class: "id" }, `${item.id.slice(0, 13)}… v${item.version ?? "?"}`) : "–"),
      h(
        "td",
        {},
        h(
          "span",
          { class: "tag", "data-level": STATES[/** @type {"open"} */ (item.state)] ?? null },
          t(`letters.state.${item.state}`),
        ),
      ),
      h("td", {}, ago(Date.parse(item.deadAt), Date.now())),
      h(
        "td",
        {},
        h(
          "div",
          { class: "acts" },
          button("show", item, () => attempt(() => showLetter(item.origin))),
          canAct && button("replay", item, () => act("replay", [item.origin])),
          canAct && button("drop", item, () => act("drop", [item.origin])),
        ),
      ),
    );
  };
  const heading = () =>
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        ...["reason", "by", "of", "state", "since", "acts"].map((name) =>
          h("th", { scope: "col" }, t(`letters.${name}`)),
        ),
      ),
    );
  const draw = onChange(() =>
    keepFocus(place, () => {
      const open = items.filter((item) => item.state === "open").map(({ origin }) => origin);
      fill(
        byId("letters-acts"),
        about.operations &&
          open.length > 1 &&
          h(
            "button",
            { class: "button small", type: "button", onclick: () => act("replay", open) },
            t("letters.replay-all"),
          ),
      );
      if (items.length === 0) return fill(place, h("p", { class: "empty" }, t("letters.empty")));
      fill(
        place,
        h(
          "div",
          { class: "scroll", tabindex: "0", role: "group", "aria-label": t("letters.title") },
          h("table", {}, heading(), h("tbody", {}, ...items.map(row))),
        ),
        items.length === SHOWN && h("p", { class: "muted" }, t("letters.more")),
      );
    }),
  );

  const refresh = async () => {
    const { items: found } = await ask("/api/dead-letters?newest=true&limit=20");
    items = found;
    draw(items, language());
  };
  /** Asks again when the count has changed, or a followed message got somewhere. */
  const update = () => {
    const now = JSON.stringify([
      state.snapshot?.deadLetters,
      state.writes.map(({ hops }) => hops.filter(({ kind }) => kind === "dead" || kind === "settled").length),
    ]);
    if (now === askedFor || performance.now() - askedAt < AGAIN_MS) return;
    askedFor = now;
    askedAt = performance.now();
    refresh().catch(() => {
      askedFor = "";
    });
  };
  onLanguage(() => draw(items, language()));
  draw(items);
  return { update };
}
