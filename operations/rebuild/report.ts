/** Prints a rebuild for people: its progress and its result. */
import type { RebuildProgress, RebuildResult } from "../../pipeline/rebuild.ts";
import { differencesText, resultsText } from "../verify/report.ts";
import type { VerifyResult } from "../verify/verify.ts";

const SECOND = 1_000;
/** Time between two progress lines, in milliseconds. */
const PROGRESS_INTERVAL_MS = 100;
/** Characters between the brackets. */
const BAR_WIDTH = 24;

/** The result of a rebuild that switched. */
export function switchedText(replica: string, rebuilt: RebuildResult, compared: boolean): string {
  const { rows, records, seconds, resumedAt, refused } = rebuilt;
  const rate = Math.round((records - resumedAt) / seconds);
  return [
    `${replica} is rebuilt${compared ? " and equals the source" : ""}: ${rows} rows from ${records} records in ${seconds.toFixed(1)} s (${rate} records/s).`,
    `The replaced tables are in schema lockstep_old; drop them with lockstep rebuild ${replica} --drop-old.`,
    ...(refused > 0 ? [rejectedText(replica, refused)] : []),
  ].join("\n");
}

/** Why the live tables are unchanged, and what to do. */
export function notSwitchedText(
  replica: string,
  { refused }: RebuildResult,
  verified: readonly VerifyResult[],
): string {
  const behind = verified.some((one) => one.behind);
  const command = `lockstep rebuild ${replica}`;
  return [
    resultsText(verified),
    ...verified.map(differencesText).filter(Boolean),
    `The new tables of ${replica} differ from the source, so the live tables are unchanged.`,
    ...(refused > 0 ? [`${rejectedText(replica, refused)} Repair the table, then run ${command} --anew.`] : []),
    behind
      ? `Some committed changes have not reached the log: see lockstep status, then run ${command} again.`
      : `${command} --repair resends what differs; ${command} --no-verify switches without a comparison.`,
  ].join("\n");
}

const rejectedText = (replica: string, count: number): string =>
  `The table rejected ${count} entities; list them with lockstep dead-letters list --replica ${replica}.`;

/** Formats progress as a bar with rate and remaining time, at most ten times a second. */
export function progressBar(print: (line: string) => void): (progress: RebuildProgress) => void {
  const startedAt = performance.now();
  let resumedAt: number | undefined;
  let printedAt = 0;
  return ({ done, total }) => {
    resumedAt ??= done;
    const now = performance.now();
    if (now - printedAt < PROGRESS_INTERVAL_MS) return;
    printedAt = now;
    const rate = ((done - resumedAt) / (now - startedAt)) * SECOND;
    const remaining = rate > 0 ? `, ${Math.ceil((total - done) / rate)} s left` : "";
    const filled = Math.round((done / Math.max(1, total)) * BAR_WIDTH);
    const bar = "#".repeat(filled) + ".".repeat(BAR_WIDTH - filled);
    print(`[${bar}] ${done} of ${total} records, ${Math.round(rate)}/s${remaining}`);
  };
}
