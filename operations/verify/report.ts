/** Formats the results of verifications for people. Pure. */
import { type CaptureProblem, captureProblemText } from "../../pipeline/capture-problems.ts";
import { table } from "../../platform/table.ts";
import type { Difference } from "./difference.ts";
import { countByKind } from "./results.ts";
import type { VerifyResult } from "./verify.ts";

/** Most differences in the text. `--json` lists all. */
const MAX_LISTED = 50;

/** The table of results, followed by the differences. */
export const reportText = (results: readonly VerifyResult[]): string =>
  [resultsText(results), ...results.map(differencesText)].filter(Boolean).join("\n");

/** A table with a line for each replica of each entity. */
export function resultsText(results: readonly VerifyResult[]): string {
  const rows = results.map((result) => [
    result.entity,
    result.replica,
    String(result.rows),
    cacheText(result),
    `${result.seconds.toFixed(1)} s`,
    outcomeText(result),
  ]);
  return table([["ENTITY", "REPLICA", "ROWS", "CACHED", "TOOK", "RESULT"], ...rows]);
}

function cacheText({ cache, entries }: VerifyResult): string {
  if (cache === "compared") return String(entries);
  return cache === "away" ? "Redis unavailable" : "not compared";
}

function outcomeText(result: VerifyResult): string {
  const counts = Object.entries(countByKind(result)).map(([kind, count]) => `${count} ${kind}`);
  const behind = result.behind ? ["unknown: it is behind, and has not applied all events yet"] : [];
  const unreadable = result.unknown === null ? [] : [`unknown: ${result.unknown}`];
  const cache = result.cache === "away" ? ["cache unknown: Redis is unavailable"] : [];
  const masked = result.notCompared ? [`not compared, for lack of a mask's key: ${result.notCompared.join(", ")}`] : [];
  const found = [...counts, ...behind, ...unreadable, ...cache, ...masked].join(", ") || "equal";
  return result.unsettled === 0 ? found : `${found}; ${result.unsettled} written all the time, not compared`;
}

/** A line for each difference, at most 50; empty when there is none. */
export function differencesText({ differences }: VerifyResult): string {
  const lines = differences.slice(0, MAX_LISTED).map(differenceLine);
  const hidden = differences.length - lines.length;
  return [...lines, ...(hidden > 0 ? [`… and ${hidden} more: --json lists all`] : [])].join("\n");
}

/** One difference on one line, without a value of any field. */
export function differenceLine({
  replica,
  entity,
  id,
  kind,
  sourceVersion,
  replicaVersion,
  fields,
}: Difference): string {
  const versions = `version in source: ${sourceVersion ?? "none"}, in replica: ${replicaVersion ?? "none"}`;
  return `${replica}: ${entity} ${id} is ${kind} (${versions}${fields.length > 0 ? `; ${fields.join(", ")}` : ""})`;
}

/** A problem of the capture on one line. Equal copies do not stay equal while there is one. */
export const captureLine = (problem: CaptureProblem): string =>
  `! changes of ${problem.entity} are not captured: ${captureProblemText(problem)}`;
