/** A rebuild for people: how far it is, and what came of it. */
import { differencesText, resultsText } from "../verify/report.ts";
import type { VerifyResult } from "../verify/verify.ts";
import type { Rebuilt } from "./rebuild.ts";

const SECOND = 1_000;

/** What was done. */
export function switchedText(name: string, rebuilt: Rebuilt, compared: boolean): string {
  const { rows, records, seconds, resumedAt, refused } = rebuilt;
  const rate = Math.round((records - resumedAt) / seconds);
  return [
    `${name} is rebuilt${compared ? ", and was equal to the source when it was switched" : ""}: ${rows} rows from ${records} records in ${seconds.toFixed(1)} s (${rate} records/s).`,
    "The old tables are kept in schema lockstep_old; drop them with --drop-old.",
    ...(refused > 0 ? [refusedText(name, refused)] : []),
  ].join("\n");
}

/** Why the live tables were left as they are, and what to do. */
export function keptText(name: string, { refused }: Rebuilt, verified: readonly VerifyResult[]): string {
  const behind = verified.some((one) => one.behind);
  const rebuild = `lockstep rebuild ${name}`;
  return [
    resultsText(verified),
    ...verified.map(differencesText).filter(Boolean),
    `The new tables of ${name} are not what the source has: the live ones stay as they are.`,
    ...(refused > 0 ? [`${refusedText(name, refused)} Mend the table, then ${rebuild} --anew.`] : []),
    behind
      ? `Not everything that was committed has reached the log: see lockstep status, then ${rebuild} once more.`
      : `${rebuild} --repair sends what differs once more; ${rebuild} --no-verify switches all the same.`,
  ].join("\n");
}

const refusedText = (name: string, refused: number): string =>
  `The table refused ${refused} entities: lockstep dead-letters list --replica ${name}.`;

/** Done of total, rate and time left, told at most ten times a second. */
export function progressBar(progress: (line: string) => void): (now: { done: number; total: number }) => void {
  const start = performance.now();
  let first: number | undefined;
  let told = 0;
  return ({ done, total }) => {
    first ??= done;
    const now = performance.now();
    if (now - told < SECOND / 10) return;
    told = now;
    const rate = ((done - first) / (now - start)) * SECOND;
    const left = rate > 0 ? `, ${Math.ceil((total - done) / rate)} s left` : "";
    const width = 24;
    const filled = Math.round((done / Math.max(1, total)) * width);
    progress(
      `[${"#".repeat(filled)}${".".repeat(width - filled)}] ${done} of ${total} records, ${Math.round(rate)}/s${left}`,
    );
  };
}
