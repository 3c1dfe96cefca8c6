/** The first number, its last two minutes, and four facts beside it. */
import { byId, fill, h, s, say, set } from "./dom.js";
import { differing, troubles } from "./health.js";
import { ago, milliseconds, number, t } from "./language.js";

const [WIDTH, HEIGHT] = [600, 90];
const POINTS = 120;

/** @param {import("./state.js").State} state @param {number} nowMs */
export function showHero({ connected, snapshot, history }, nowMs) {
  showState(connected, snapshot);
  if (!snapshot) return;
  showNumber(snapshot, nowMs);
  showSpark(history);
  showFacts(snapshot, nowMs);
}

/** @param {boolean | null} connected @param {any} snapshot */
function showState(connected, snapshot) {
  const element = byId("state");
  const [worst] = snapshot ? troubles(snapshot) : [];
  const level = connected === false ? "bad" : !snapshot ? null : (worst?.level ?? "well");
  const why = worst && t(worst.why, { name: worst.name, count: worst.count });
  const text =
    connected === false
      ? t("state.lost")
      : !snapshot
        ? t("state.connecting")
        : t(`state.${worst?.level ?? "well"}`, { why });
  set(element, { "data-level": level });
  if (element.textContent !== text) fill(element, h("span", { class: "dot-mark" }), text);
}

/** @param {any} snapshot @param {number} nowMs */
function showNumber({ latency, replicas }, nowMs) {
  const lasts = /** @type {any[]} */ (Object.values(replicas)).map(({ last }) => last).filter(Boolean);
  const last = lasts.sort((a, b) => b.atMs - a.atMs)[0];
  say(byId("p50"), milliseconds(latency.p50 ?? last?.ms));
  const measured = () => t("hero.measured", { count: latency.count, p99: milliseconds(latency.p99) });
  say(
    byId("p50-note"),
    latency.count > 0 ? measured() : last ? t("hero.last", { ago: ago(last.atMs, nowMs) }) : t("hero.none"),
  );
}

/** @param {import("./state.js").Quantiles[]} history */
function showSpark(history) {
  const spark = byId("spark");
  const shown = history.slice(-POINTS);
  const most = Math.max(10, ...shown.map(({ p99 }) => p99 ?? 0));
  const top = Math.ceil(most / 10) * 10;
  set(spark, { "aria-label": t("hero.spark") });
  fill(
    spark,
    s("line", { x1: 0, y1: HEIGHT - 1, x2: WIDTH, y2: HEIGHT - 1, class: "spark-base" }),
    ...line(shown, top, "p99", "spark-p99"),
    ...line(shown, top, "p50", "spark-p50"),
  );
  say(byId("spark-top"), t("hero.top", { ms: number(top, 0) }));
}

/** One path for each stretch without a gap; logarithmic, so that one slow write does not make all others look alike. @param {any[]} points @param {number} top @param {"p50" | "p99"} which @param {string} name */
function line(points, top, which, name) {
  const first = POINTS - points.length;
  /** @type {string[]} */
  const stretches = [];
  let open = false;
  points.forEach((point, i) => {
    const value = point[which];
    if (value === null) {
      open = false;
      return;
    }
    const at = `${(((first + i) / (POINTS - 1)) * WIDTH).toFixed(1)} ${(HEIGHT - 4 - (Math.log1p(Math.min(value, top)) / Math.log1p(top)) * (HEIGHT - 10)).toFixed(1)}`;
    if (open) stretches[stretches.length - 1] += `L${at}`;
    else stretches.push(`M${at}l0.01 0`);
    open = true;
  });
  return stretches.map((d) => s("path", { d, class: name }));
}

/** @param {any} snapshot @param {number} nowMs */
function showFacts(snapshot, nowMs) {
  const { topics, outbox, deadLetters, verifications } = snapshot;
  const writes =
    topics &&
    Object.entries(topics)
      .filter(([name]) => name.endsWith(".events"))
      .reduce((sum, [, topic]) => sum + (topic.perSecond ?? 0), 0);
  const differ = differing(snapshot).length;
  const times = (verifications ?? []).map((/** @type {any} */ one) => Date.parse(one.at));
  const verdict =
    times.length === 0 ? t("fact.never") : differ ? t("fact.differs", { count: differ }) : t("fact.equal");
  const when = times.length > 0 && h("small", {}, ago(Math.min(...times), nowMs));
  const facts = [
    ["fact.writes", writes === null ? t("unknown") : number(writes, writes < 10 ? 1 : 0), null],
    ["fact.outbox", outbox ? number(outbox.depth) : t("unknown"), outbox?.oldestAgeSeconds > 5 ? "care" : null],
    ["fact.letters", deadLetters === null ? t("unknown") : number(deadLetters), deadLetters > 0 ? "care" : null],
    ["fact.verified", verifications ? verdict : t("unknown"), differ ? "bad" : null, when],
  ];
  fill(
    byId("facts"),
    ...facts.map(([key, value, level, more]) =>
      h("div", { "data-level": level }, h("dt", {}, t(String(key))), h("dd", {}, value, more)),
    ),
  );
}
