/** The newest dead letters: their reason and state, and the buttons that replay or drop them. */
import { get, post } from "./api.js";
import { scrollTable, smallButton, tableRow } from "./controls.js";
import { showDeadLetter } from "./dead-letter-dialog.js";
import { byId, fill, h, keepFocus, onChange } from "./dom.js";
import { formatAge, language, onLanguage, t } from "./language.js";

const MAX_SHOWN = 20;
const MIN_INTERVAL_MS = 1_500;
/** @type {Record<string, string | null>} */
const LEVELS = { open: "warning", superseded: "ok", replayed: "ok", dropped: null };
const HEADINGS = ["reason", "rejected-by", "entity", "state", "since", "actions"];
const SHOWN_ID_LENGTH = 13;

export class DeadLetterPanel {
  /** @param {import("./state.js").Page} page */
  constructor(page) {
    this.page = page;
    this.panel = byId("dead-letters");
    /** @type {any[]} */
    this.items = [];
    this.lastKey = "";
    this.requestedAt = Number.NEGATIVE_INFINITY;
    this.drawIfChanged = onChange(() => keepFocus(this.panel, () => this.draw()));
    onLanguage(() => this.drawIfChanged(this.items, language()));
    this.drawIfChanged(this.items);
  }

  /** Reads the dead letters again when their number or the hops of a traced write have changed. */
  update() {
    const { snapshot, writes } = this.page.state;
    const isDeadLetter = (/** @type {import("./state.js").Hop} */ { kind }) =>
      kind === "dead-letter" || kind === "resolved";
    const setAside = snapshot?.conditions?.find((/** @type {any} */ { condition }) => condition === "rows-set-aside");
    const key = JSON.stringify([
      snapshot?.deadLetters,
      setAside,
      writes.map(({ hops }) => hops.filter(isDeadLetter).length),
    ]);
    if (key === this.lastKey || performance.now() - this.requestedAt < MIN_INTERVAL_MS) return;
    this.lastKey = key;
    this.requestedAt = performance.now();
    this.refresh().catch(() => {
      this.lastKey = "";
    });
  }

  async refresh() {
    this.items = (await get(`/api/dead-letters?newest=true&limit=${MAX_SHOWN}`)).items;
    this.drawIfChanged(this.items, language());
  }

  draw() {
    const { items, panel } = this;
    const open = items.filter(({ state }) => state === "open").map(({ origin }) => origin);
    fill(
      byId("dead-letters-actions"),
      this.page.about.operations &&
        open.length > 1 &&
        smallButton(t("dead-letters.replay-all"), "replay-all", () => this.act("replay", open)),
    );
    if (items.length === 0) return fill(panel, h("p", { class: "empty" }, t("dead-letters.empty")));
    const headings = HEADINGS.map((name) => t(`dead-letters.${name}`));
    fill(
      panel,
      scrollTable(
        t("dead-letters.title"),
        headings,
        items.map((item) => this.row(item)),
      ),
      items.length === MAX_SHOWN && h("p", { class: "muted" }, t("dead-letters.more")),
    );
  }

  /** @param {any} item */
  row(item) {
    const { reason, rejectedBy, id, version, state, deadAt, origin } = item;
    const entity = id ? h("span", { class: "id" }, `${id.slice(0, SHOWN_ID_LENGTH)}… v${version ?? "?"}`) : "–";
    const tag = h("span", { class: "tag", "data-level": LEVELS[state] ?? null }, t(`dead-letters.state.${state}`));
    const canAct = this.page.about.operations && state === "open";
    const buttons = [
      this.button("show", origin, () => this.page.attempt(() => showDeadLetter(origin))),
      canAct && this.button("replay", origin, () => this.act("replay", [origin])),
      canAct && this.button("drop", origin, () => this.act("drop", [origin])),
    ];
    const age = formatAge(Date.parse(deadAt), Date.now());
    return tableRow(reason, rejectedBy, entity, tag, age, h("div", { class: "actions" }, ...buttons));
  }

  /** @param {string} name @param {string} origin @param {() => unknown} onclick */
  button(name, origin, onclick) {
    const label = t(`dead-letters.${name}`);
    return smallButton(label, `${name}-${origin}`, onclick, { "aria-label": `${label} ${origin}` });
  }

  /** @param {"replay" | "drop"} action @param {string[]} origins */
  act(action, origins) {
    return this.page.attempt(async () => {
      await post("/api/dead-letters", { action, origins });
      await this.refresh();
    });
  }
}
