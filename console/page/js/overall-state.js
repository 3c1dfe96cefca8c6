/** The state of the whole system in one line, and the title and the remedy of a condition. Pure. */
import { conditionTexts } from "./condition-texts.js";
import { levelOf } from "./health.js";
import { hasText, t } from "./language.js";

/** What is wrong, in the page's language. @param {import("./health.js").Condition} active */
export const conditionTitle = ({ condition, where }) =>
  hasText(`condition.${condition}`) ? t(`condition.${condition}`, { name: where }) : `${condition}: ${where}`;

/**
 * What to do, in the page's language. A remedy with names and figures of its own stays as it is, in English.
 *
 * @param {Pick<import("./health.js").Condition, "condition" | "remedy">} active
 */
export function remedyText({ condition, remedy }) {
  const key = `remedy.${condition}`;
  return conditionTexts[key]?.en === remedy ? t(key) : remedy;
}

/** @param {boolean | null} connected @param {any} snapshot null before the first one */
export function overallState(connected, snapshot) {
  if (connected === false) return { level: "error", text: t("state.disconnected") };
  if (!snapshot) return { level: null, text: t("state.connecting") };
  const { conditions, services, outbox, consumers } = snapshot;
  const worst = conditions?.[0];
  // Nothing is in step while it is not known whether it is.
  const isKnown = conditions && services && outbox && consumers;
  if (!worst) return isKnown ? { level: "ok", text: t("state.ok") } : { level: "warning", text: t("state.unknown") };
  const level = levelOf(worst);
  return { level, text: t(`state.${level}`, { problem: conditionTitle(worst) }) };
}
