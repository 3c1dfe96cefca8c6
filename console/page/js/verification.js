/** The last comparison of each replica with the source, and what mends: repair, rebuild. */
import { tell } from "./api.js";
import { byId, fill, h, keepFocus, onChange } from "./dom.js";
import { ago, language, number, onLanguage, t } from "./language.js";

const SHOWN_JOBS = 3;

/**
 * @param {import("./state.js").About} about @param {import("./state.js").State} state
 * @param {(work: () => Promise<unknown>) => Promise<void>} attempt
 */
export function startVerify(about, state, attempt) {
  const shown = about.entities.map(({ name }) => name);
  const replicas = [...new Set(about.entities.flatMap((entity) => entity.replicas.map(({ name }) => name)))];
  const runs = (/** @type {string} */ kind, /** @type {string | null} */ name = null) =>
    state.jobs.some((job) => job.kind === kind && job.name === name && job.state === "running");

  const button = (/** @type {string} */ label, /** @type {any} */ job, /** @type {boolean} */ isBusy, main = false) =>
    h(
      "button",
      {
        class: `button small${main ? " main" : ""}`,
        type: "button",
        "data-key": label,
        disabled: isBusy,
        onclick: () => attempt(() => tell("/api/jobs", job)),
      },
      label,
    );
  const acts = () =>
    about.operations
      ? [
          button(t("verify.now"), { kind: "verify" }, runs("verify") || runs("repair"), true),
          button(t("verify.repair"), { kind: "repair" }, runs("verify") || runs("repair")),
          ...replicas.map((replica) =>
            button(t("verify.rebuild", { name: replica }), { kind: "rebuild", replica }, runs("rebuild", replica)),
          ),
        ]
      : [];

  const resultOf = (/** @type {any} */ { differing, behind }) => {
    const kinds = Object.entries(differing).map(([kind, count]) => `${number(Number(count))} ${t(`kind.${kind}`)}`);
    const text = [...kinds, ...(behind ? [t("verify.behind")] : [])].join(", ") || t("verify.equal");
    return h("span", { class: "tag", "data-level": kinds.length > 0 ? "bad" : behind ? "care" : "well" }, text);
  };
  const row = (/** @type {any} */ one) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, one.replica),
      h("td", {}, one.entity),
      h("td", {}, ago(Date.parse(one.at), Date.now())),
      h("td", {}, number(one.rows)),
      h("td", {}, resultOf(one)),
    );
  const table = (/** @type {any[]} */ rows) =>
    h(
      "div",
      { class: "scroll", tabindex: "0", role: "group", "aria-label": t("verify.title") },
      h(
        "table",
        {},
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            ...["replica", "entity", "when", "rows", "result"].map((name) =>
              h("th", { scope: "col" }, t(`verify.${name}`)),
            ),
          ),
        ),
        h("tbody", {}, ...rows.map(row)),
      ),
    );

  const draw = onChange(() => {
    const verifications = (state.snapshot?.verifications ?? []).filter((/** @type {any} */ one) =>
      shown.includes(one.entity),
    );
    keepFocus(byId("verify-acts"), () => fill(byId("verify-acts"), ...acts()));
    keepFocus(byId("verify"), () =>
      fill(
        byId("verify"),
        ...rebuildsElsewhere(state),
        ...state.jobs.slice(-SHOWN_JOBS).map((job) => jobLine(job, attempt, about.operations)),
        verifications.length > 0 ? table(verifications) : h("p", { class: "empty" }, t("verify.never")),
      ),
    );
  });
  const update = () =>
    draw(
      [state.jobs, state.snapshot?.verifications, state.snapshot?.rebuilds, Math.floor(Date.now() / 20_000)],
      language(),
    );
  onLanguage(() => update());
  update();
  return { update };
}

/** Rebuilds that somebody else carries out. @param {import("./state.js").State} state */
function rebuildsElsewhere({ snapshot, jobs }) {
  const ours = jobs.filter(({ kind, state }) => kind === "rebuild" && state === "running").map(({ name }) => name);
  const others = (snapshot?.rebuilds ?? []).filter((/** @type {any} */ one) => !ours.includes(one.replica));
  return others.map((/** @type {any} */ { replica, done, total }) =>
    h(
      "div",
      { class: "job" },
      h("p", {}, `${t("job.rebuild", { name: replica })}: ${t("job.records", { done, total })}`),
      bar(done, total, replica),
    ),
  );
}

/** @param {number | null} done @param {number | null} total @param {string} label */
const bar = (done, total, label) =>
  h("progress", { max: total ?? null, value: total ? done : null, "aria-label": label });

/** @param {import("./state.js").Job} job @param {(work: () => Promise<unknown>) => Promise<void>} attempt @param {boolean} mayStop */
function jobLine(job, attempt, mayStop) {
  const title = t(`job.${job.kind}`, { name: job.name });
  const running = job.state === "running";
  return h(
    "div",
    { class: "job" },
    h(
      "div",
      { class: "acts" },
      h("p", {}, `${title}: ${jobText(job)}`),
      running &&
        mayStop &&
        h(
          "button",
          {
            class: "button small",
            type: "button",
            "data-key": `stop-${job.number}`,
            "aria-label": `${t("job.stop")}: ${title}`,
            onclick: () => attempt(() => tell("/api/jobs/stop", { number: job.number })),
          },
          t("job.stop"),
        ),
    ),
    running && bar(job.done, job.total, title),
  );
}

/** @param {import("./state.js").Job} job */
function jobText({ kind, state, done, total, problem, result }) {
  if (state === "failed") return t("job.failed", { problem });
  if (state === "stopped") return t("job.stopped");
  if (state === "running")
    return done === null ? t("job.running") : total ? t("job.records", { done, total }) : t("job.rows", { done });
  if (kind === "rebuild") return t("job.rebuilt", result ?? {});
  if (kind === "repair" && (result?.differing ?? 0) > 0) return t("job.repaired", result ?? {});
  return (result?.differing ?? 0) > 0 ? t("job.differing", result ?? {}) : t("job.equal", result ?? {});
}
