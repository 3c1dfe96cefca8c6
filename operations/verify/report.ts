/** Verifications for people. Pure. */
import { table } from "../../platform/table.ts";
import type { Difference } from "./difference.ts";
import { countByKind } from "./results.ts";
import type { VerifyResult } from "./verify.ts";

/** More than these are counted, and listed by `--json`. */
const MOST_LISTED = 50;

/** A line for each replica of each entity: rows, seconds and what differs. */
export function resultsText(verified: readonly VerifyResult[]): string {
  const rows = verified.map((one) => [
    one.entity,
    one.replica,
    String(one.rows),
    one.cache === "compared" ? String(one.entries) : one.cache,
    `${one.seconds.toFixed(1)} s`,
    verdictOf(one),
  ]);
  return table([["ENTITY", "REPLICA", "ROWS", "CACHED", "TOOK", "RESULT"], ...rows]);
}

function verdictOf(one: VerifyResult): string {
  const counts = Object.entries(countByKind(one)).map(([kind, count]) => `${count} ${kind}`);
  const behind = one.behind ? ["behind: it has not heard of everything yet"] : [];
  return [...counts, ...behind].join(", ") || "equal";
}

/** A line for each row that differs; empty when none does. */
export function differencesText({ differences }: VerifyResult): string {
  const lines = differences.slice(0, MOST_LISTED).map(differenceLine);
  const more = differences.length - lines.length;
  return [...lines, ...(more > 0 ? [`… and ${more} more: --json lists all`] : [])].join("\n");
}

/** What differs, on one line, without a value of it. */
export function differenceLine({
  replica,
  entity,
  id,
  kind,
  sourceVersion,
  replicaVersion,
  fields,
}: Difference): string {
  const versions = `source at ${sourceVersion ?? "nothing"}, replica at ${replicaVersion ?? "nothing"}`;
  return `${replica}: ${entity} ${id} is ${kind} (${versions}${fields.length > 0 ? `; ${fields.join(", ")}` : ""})`;
}
