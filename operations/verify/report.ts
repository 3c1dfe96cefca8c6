/** Verifications for people. Pure. */
import { table } from "../../platform/table.ts";
import type { Difference } from "./difference.ts";
import { countsOf } from "./results.ts";
import type { Verified } from "./verify.ts";

/** More than these are counted, and listed by `--json`. */
const MOST_LISTED = 50;

/** A line for each replica of each entity: rows, seconds and what differs. */
export function verifiedText(verified: readonly Verified[]): string {
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

function verdictOf(one: Verified): string {
  const counts = Object.entries(countsOf(one)).map(([kind, count]) => `${count} ${kind}`);
  const behind = one.behind ? ["behind: it has not heard of everything yet"] : [];
  return [...counts, ...behind].join(", ") || "equal";
}

/** A line for each row that differs; empty when none does. */
export function differencesText({ differences }: Verified): string {
  const lines = differences.slice(0, MOST_LISTED).map(lineOf);
  const more = differences.length - lines.length;
  return [...lines, ...(more > 0 ? [`… and ${more} more: --json lists all`] : [])].join("\n");
}

/** What differs, on one line, without a value of it. */
export function lineOf({ replica, entity, id, kind, sourceVersion, replicaVersion, fields }: Difference): string {
  const versions = `source at ${sourceVersion ?? "nothing"}, replica at ${replicaVersion ?? "nothing"}`;
  return `${replica}: ${entity} ${id} is ${kind} (${versions}${fields.length > 0 ? `; ${fields.join(", ")}` : ""})`;
}
