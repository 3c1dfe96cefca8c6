/** One write hop by hop, with the milliseconds that each took. */
import { byId, fill, h, keepFocus, onChange } from "./dom.js";
import { duration, has, language, onLanguage, t } from "./language.js";
import { hopOf, shownWrite } from "./state.js";

/** @typedef {import("./state.js").Write} Write @typedef {import("./state.js").State} State @typedef {import("./state.js").About} About */

/** @param {About} about @param {State} state @param {() => void} changed told when another write is chosen */
export function startJourney(about, state, changed) {
  const place = byId("journey");
  const redraw = onChange(() => keepFocus(place, () => fill(place, ...way())));
  const way = () => {
    const write = shownWrite(state);
    if (!write) return [h("p", { class: "empty" }, t("journey.empty"))];
    const replicas = about.entities.find(({ name }) => name === write.entity)?.replicas ?? [];
    return [
      chooser(),
      head(write, replicas),
      steps(write),
      write.operation !== "poison" && branches(write, replicas),
      foot(write),
    ];
  };

  const chooser = () => {
    if (state.writes.length < 2) return null;
    const onchange = (/** @type {any} */ event) => {
      state.shown = Number(event.target.value);
      changed();
    };
    const options = state.writes
      .toReversed()
      .map((one) => h("option", { value: one.number, selected: one === shownWrite(state) }, titleOf(one)));
    return h(
      "div",
      { class: "choose" },
      h("label", { class: "label", for: "followed" }, t("journey.which")),
      h("select", { id: "followed", "data-key": "followed", onchange }, ...options),
    );
  };

  const head = (/** @type {Write} */ write, /** @type {any[]} */ replicas) =>
    h(
      "div",
      { class: "way-head" },
      h("h3", {}, titleOf(write)),
      h("p", { class: "way-total" }, totalOf(write, replicas)),
    );

  const steps = (/** @type {Write} */ write) => {
    const kinds =
      write.operation === "poison" ? ["published", "dead", "settled"] : ["answered", "progress", "published"];
    const dead =
      write.operation !== "poison" && write.hops.some(({ kind }) => kind === "dead") ? ["dead", "settled"] : [];
    return h("ol", { class: "steps" }, ...[...kinds, ...dead].map((kind) => step(write, kind, null)));
  };

  const branches = (/** @type {Write} */ write, /** @type {any[]} */ replicas) =>
    h("div", { class: "branches" }, ...replicas.map(({ name }) => branch(write, name)));

  const branch = (/** @type {Write} */ write, /** @type {string} */ replica) => {
    const applied = hopOf(write, "applied", replica);
    const committed = hopOf(write, "progress")?.atMs ?? write.startedMs;
    const total = applied ? duration(Math.max(0, applied.atMs - committed)) : "";
    return h(
      "section",
      { class: "branch" },
      h("h3", {}, h("span", {}, replica), h("span", {}, total)),
      h(
        "ol",
        { class: "steps" },
        step(write, "routed", replica),
        step(write, "applied", replica),
        step(write, "cached", replica),
      ),
    );
  };

  const step = (/** @type {Write} */ write, /** @type {string} */ kind, /** @type {string | null} */ replica) => {
    const hop =
      kind === "dead" || kind === "settled" ? write.hops.find((one) => one.kind === kind) : hopOf(write, kind, replica);
    if (!hop) return waiting(write, kind, replica);
    const place = hop.place && h("span", { class: "place" }, hop.place);
    return h(
      "li",
      { class: kind === "dead" ? "dead" : null },
      h("span", {}, nameOf(write, hop), place),
      h("span", { class: "took" }, `+${duration(hop.tookMs)}`),
    );
  };

  const waiting = (/** @type {Write} */ write, /** @type {string} */ kind, /** @type {string | null} */ replica) => {
    const isPaused = replica !== null && state.snapshot?.paused?.[replica];
    const why =
      isPaused && kind === "applied"
        ? t("hop.waits-paused", { name: replica })
        : kind === "settled"
          ? t("hop.waits-heal")
          : t("hop.waits");
    return h(
      "li",
      { class: "waiting" },
      h("span", {}, kind === "settled" ? why : [nameOf(write, { kind, replica, note: null }), why].join(": ")),
    );
  };

  const foot = (/** @type {Write} */ { traceId, id, version }) =>
    h(
      "p",
      { class: "way-foot" },
      traceId &&
        (about.traceUrl
          ? h(
              "a",
              {
                href: about.traceUrl.replace("{traceId}", traceId),
                target: "_blank",
                rel: "noopener",
                "data-key": "trace",
              },
              t("journey.trace"),
            )
          : h("span", { class: "id" }, t("journey.no-trace", { id: traceId }))),
      id && h("span", { class: "id" }, id),
      version && h("span", { class: "muted" }, t("version", { version: String(version) })),
    );

  onLanguage(() => update());
  const update = () => {
    const write = shownWrite(state);
    redraw([write, state.writes.map(titleOf), write && state.snapshot?.paused], language());
  };
  update();
  return { update };
}

/** @param {Write} write */
const titleOf = ({ operation, number, entity }) => t(`journey.${operation}`, { number: String(number), entity });

/** @param {Write} write @param {{ kind: string, replica: string | null, note: string | null }} hop */
function nameOf(write, { kind, replica, note }) {
  if (kind === "published" && write.operation === "poison") return t("hop.poisoned");
  const decided = note ?? (kind === "applied" ? (hopOf(write, "routed", replica)?.note ?? null) : null);
  const key = `hop.${kind}.${decided}`;
  return decided && has(key) ? t(key) : t(`hop.${kind}`, { note: decided });
}

/** @param {Write} write @param {{ name: string }[]} replicas */
function totalOf(write, replicas) {
  const since = hopOf(write, "progress")?.atMs ?? write.startedMs;
  const dead = write.hops.find(({ kind }) => kind === "dead");
  if (dead) return t("journey.dead", { time: duration(Math.max(0, dead.atMs - since)) });
  const applied = replicas.map(({ name }) => hopOf(write, "applied", name)?.atMs);
  if (write.operation === "poison" || applied.some((at) => at === undefined)) return t("journey.under-way");
  return t("journey.total", { time: duration(Math.max(0, Math.max(.../** @type {number[]} */ (applied)) - since)) });
}
