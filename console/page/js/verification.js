/** The last verification of each replica, the running jobs, and the buttons for verify, repair and rebuild. */
import { post } from "./api.js";
import { scrollTable, smallButton, tableRow } from "./controls.js";
import { byId, fill, h, keepFocus, onChange } from "./dom.js";
import { formatAge, formatNumber, language, onLanguage, t } from "./language.js";
import { replicaNamesOf } from "./state.js";

const MAX_JOBS = 3;
const HEADINGS = ["replica", "entity", "when", "rows", "result"];
/** The panel is drawn again after this time, because the ages change. */
const REDRAW_MS = 20_000;

/** @typedef {import("./state.js").Job} Job */

export class VerificationPanel {
  /** @param {import("./state.js").Page} page */
  constructor(page) {
    this.page = page;
    this.panel = byId("verification");
    this.actions = byId("verification-actions");
    this.entities = page.about.entities.map(({ name }) => name);
    this.drawIfChanged = onChange(() => {
      keepFocus(this.actions, () => fill(this.actions, ...this.buttons()));
      keepFocus(this.panel, () => fill(this.panel, ...this.content()));
    });
    onLanguage(() => this.update());
    this.update();
  }

  update() {
    const { jobs, snapshot } = this.page.state;
    const period = Math.floor(Date.now() / REDRAW_MS);
    this.drawIfChanged([jobs, snapshot?.verifications, snapshot?.rebuilds, period], language());
  }

  content() {
    const { jobs, snapshot } = this.page.state;
    // Internal entities are verified as well, but not shown.
    const results = (snapshot?.verifications ?? []).filter((/** @type {any} */ { entity }) =>
      this.entities.includes(entity),
    );
    const headings = HEADINGS.map((name) => t(`verification.${name}`));
    return [
      ...this.otherRebuilds(),
      ...jobs.slice(-MAX_JOBS).map((job) => this.jobElement(job)),
      results.length > 0
        ? scrollTable(t("verification.title"), headings, results.map(resultRow))
        : h("p", { class: "empty" }, t("verification.none")),
    ];
  }

  buttons() {
    const { about, attempt } = this.page;
    if (!about.operations) return [];
    const button = (
      /** @type {string} */ label,
      /** @type {{ kind: string, replica?: string }} */ job,
      /** @type {boolean} */ disabled,
      more = "",
    ) => smallButton(label, label, () => attempt(() => post("/api/jobs", job)), { disabled, class: more });
    const isVerifying = this.isRunning("verify") || this.isRunning("repair");
    return [
      button(t("verification.verify"), { kind: "verify" }, isVerifying, "main"),
      button(t("verification.repair"), { kind: "repair" }, isVerifying),
      ...replicaNamesOf(about).map((replica) =>
        button(
          t("verification.rebuild", { name: replica }),
          { kind: "rebuild", replica },
          this.isRunning("rebuild", replica),
        ),
      ),
    ];
  }

  /** @param {string} kind @param {string | null} name */
  isRunning(kind, name = null) {
    return this.page.state.jobs.some((job) => job.kind === kind && job.name === name && job.state === "running");
  }

  /** Rebuilds that another process runs. */
  otherRebuilds() {
    const rebuilds = this.page.state.snapshot?.rebuilds ?? [];
    return rebuilds
      .filter((/** @type {any} */ { replica }) => !this.isRunning("rebuild", replica))
      .map((/** @type {any} */ { replica, done, total }) =>
        h(
          "div",
          { class: "job" },
          h("p", {}, `${t("job.rebuild", { name: replica })}: ${t("job.records", { done, total })}`),
          progressBar(done, total, replica),
        ),
      );
  }

  /** @param {Job} job */
  jobElement(job) {
    const { about, attempt } = this.page;
    const title = t(`job.${job.kind}`, { name: job.name });
    const isRunning = job.state === "running";
    const stop = () => attempt(() => post("/api/jobs/stop", { number: job.number }));
    return h(
      "div",
      { class: "job" },
      h(
        "div",
        { class: "actions" },
        h("p", {}, `${title}: ${jobText(job)}`),
        isRunning &&
          about.operations &&
          smallButton(t("job.stop"), `stop-${job.number}`, stop, { "aria-label": `${t("job.stop")}: ${title}` }),
      ),
      isRunning && progressBar(job.done, job.total, title),
    );
  }
}

/** @param {any} result */
function resultRow({ replica, entity, at, rows, differing, behind }) {
  const kinds = Object.entries(differing);
  const counts = kinds.map(([kind, count]) => `${formatNumber(Number(count))} ${t(`difference.${kind}`)}`);
  const text = [...counts, ...(behind ? [t("verification.behind")] : [])].join(", ") || t("verification.equal");
  const level = kinds.length > 0 ? "error" : behind ? "warning" : "ok";
  const tag = h("span", { class: "tag", "data-level": level }, text);
  return tableRow(replica, entity, formatAge(Date.parse(at), Date.now()), formatNumber(rows), tag);
}

/** @param {number | null} done @param {number | null} total @param {string} label */
const progressBar = (done, total, label) =>
  h("progress", { max: total ?? null, value: total ? done : null, "aria-label": label });

/** @param {Job} job */
function jobText({ kind, state, done, total, problem, result }) {
  if (state === "failed") return t("job.failed", { problem });
  if (state === "stopped") return t("job.stopped");
  if (state === "running")
    return done === null ? t("job.running") : total ? t("job.records", { done, total }) : t("job.rows", { done });
  if (kind === "rebuild") return t("job.rebuilt", result ?? {});
  if ((result?.differing ?? 0) === 0) return t("job.equal", result ?? {});
  return kind === "repair" ? t("job.repaired", result ?? {}) : t("job.differing", result ?? {});
}
