/** One write hop by hop, with the milliseconds of each hop. */
import { labelledSelect } from "./controls.js";
import { byId, fill, h, keepFocus, onChange } from "./dom.js";
import { formatDuration, hasText, language, onLanguage, t } from "./language.js";
import { findHop, shownWrite } from "./state.js";

/** @typedef {import("./state.js").Write} Write @typedef {import("./state.js").Page} Page */

const WRITE_HOPS = ["acknowledged", "committed", "published"];
const POISON_HOPS = ["published", "dead-letter", "resolved"];
const REPLICA_HOPS = ["routed", "applied", "cached"];

export class JourneyPanel {
  /** @param {Page} page */
  constructor(page) {
    this.page = page;
    this.panel = byId("journey");
    this.drawIfChanged = onChange(() => keepFocus(this.panel, () => fill(this.panel, ...this.content())));
    onLanguage(() => this.update());
    this.update();
  }

  update() {
    const { state } = this.page;
    const write = shownWrite(state);
    this.drawIfChanged([write, state.writes.map(titleOf), write && state.snapshot?.paused], language());
  }

  content() {
    const write = shownWrite(this.page.state);
    if (!write) return [h("p", { class: "empty" }, t("journey.empty"))];
    const replicas = this.page.about.entities.find(({ name }) => name === write.entity)?.replicas ?? [];
    const head = h(
      "div",
      { class: "journey-head" },
      h("h3", {}, titleOf(write)),
      h("p", { class: "journey-total" }, totalOf(write, replicas)),
    );
    const branches = replicas.map(({ name }) => this.branch(write, name));
    return [
      this.writeSelect(write),
      head,
      this.hops(write, sharedHops(write), null),
      write.operation !== "poison" && h("div", { class: "branches" }, ...branches),
      this.foot(write),
    ];
  }

  /** @param {Write} shown */
  writeSelect(shown) {
    const { state, redraw } = this.page;
    if (state.writes.length < 2) return null;
    const onchange = (/** @type {any} */ event) => {
      state.shown = Number(event.target.value);
      redraw();
    };
    const options = state.writes
      .toReversed()
      .map((write) => h("option", { value: write.number, selected: write === shown }, titleOf(write)));
    return labelledSelect("traced-write", t("journey.writes"), { onchange }, options);
  }

  /** The hops in one replica. @param {Write} write @param {string} replica */
  branch(write, replica) {
    const applied = findHop(write, "applied", replica);
    const committedMs = findHop(write, "committed")?.atMs ?? write.startedMs;
    const total = applied ? formatDuration(Math.max(0, applied.atMs - committedMs)) : "";
    return h(
      "section",
      { class: "branch" },
      h("h3", {}, h("span", {}, replica), h("span", {}, total)),
      this.hops(write, REPLICA_HOPS, replica),
    );
  }

  /** @param {Write} write @param {string[]} kinds @param {string | null} replica */
  hops(write, kinds, replica) {
    return h("ol", { class: "hops" }, ...kinds.map((kind) => this.hop(write, kind, replica)));
  }

  /** @param {Write} write @param {string} kind @param {string | null} replica */
  hop(write, kind, replica) {
    // A dead letter is shown with the shared hops, also when a replica wrote it.
    const isDeadLetter = kind === "dead-letter" || kind === "resolved";
    const hop = isDeadLetter ? write.hops.find((one) => one.kind === kind) : findHop(write, kind, replica);
    if (!hop) return this.pendingHop(write, kind, replica);
    return h(
      "li",
      { class: kind === "dead-letter" ? "dead-letter" : null },
      h("span", {}, hopText(write, hop), hop.record && h("span", { class: "record" }, hop.record)),
      h("span", { class: "duration" }, `+${formatDuration(hop.tookMs)}`),
    );
  }

  /** @param {Write} write @param {string} kind @param {string | null} replica */
  pendingHop(write, kind, replica) {
    const text = kind === "resolved" ? t("hop.pending-resolution") : this.pendingText(write, kind, replica);
    return h("li", { class: "pending" }, h("span", {}, text));
  }

  /** @param {Write} write @param {string} kind @param {string | null} replica */
  pendingText(write, kind, replica) {
    const isPaused = kind === "applied" && replica !== null && this.page.state.snapshot?.paused?.[replica];
    const why = isPaused ? t("hop.pending-paused", { name: replica }) : t("hop.pending");
    return `${hopText(write, { kind, replica, note: null })}: ${why}`;
  }

  /** @param {Write} write */
  foot({ traceId, id, version }) {
    const { traceUrl } = this.page.about;
    const link = (/** @type {string} */ href) =>
      h("a", { href, target: "_blank", rel: "noopener", "data-key": "trace" }, t("journey.trace"));
    return h(
      "p",
      { class: "journey-foot" },
      traceId &&
        (traceUrl
          ? link(traceUrl.replace("{traceId}", traceId))
          : h("span", { class: "id" }, t("journey.trace-id", { id: traceId }))),
      id && h("span", { class: "id" }, id),
      version && h("span", { class: "muted" }, t("version", { version: String(version) })),
    );
  }
}

/** The hops that belong to no replica. @param {Write} write */
function sharedHops({ operation, hops }) {
  if (operation === "poison") return POISON_HOPS;
  return hops.some(({ kind }) => kind === "dead-letter") ? [...WRITE_HOPS, "dead-letter", "resolved"] : WRITE_HOPS;
}

/** @param {Write} write */
const titleOf = ({ operation, number, entity }) => t(`journey.${operation}`, { number: String(number), entity });

/** @param {Write} write @param {{ kind: string, replica: string | null, note: string | null }} hop */
function hopText(write, { kind, replica, note }) {
  if (kind === "published" && write.operation === "poison") return t("hop.poison-published");
  // A replica applies what was routed, so the note is the same.
  const detail = note ?? (kind === "applied" ? (findHop(write, "routed", replica)?.note ?? null) : null);
  const key = `hop.${kind}.${detail}`;
  return detail && hasText(key) ? t(key) : t(`hop.${kind}`, { note: detail });
}

/** @param {Write} write @param {{ name: string }[]} replicas */
function totalOf(write, replicas) {
  const sinceMs = findHop(write, "committed")?.atMs ?? write.startedMs;
  const deadLetter = write.hops.find(({ kind }) => kind === "dead-letter");
  if (deadLetter) return t("journey.dead-letter", { time: formatDuration(Math.max(0, deadLetter.atMs - sinceMs)) });
  const applied = replicas.map(({ name }) => findHop(write, "applied", name)?.atMs);
  if (write.operation === "poison" || applied.some((atMs) => atMs === undefined)) return t("journey.in-progress");
  const lastMs = Math.max(.../** @type {number[]} */ (applied));
  return t("journey.total", { time: formatDuration(Math.max(0, lastMs - sinceMs)) });
}
