/** Conditions that are present now, as status, the console and its page show them. */
import { type ConditionDeclaration, type ConditionName, conditions } from "../../contracts/conditions.ts";

/** One condition that is present. */
export interface ActiveCondition {
  readonly condition: ConditionName;
  readonly severity: ConditionDeclaration["severity"];
  /** The service, replica, server or topic that it concerns: `relay`, `catalog 2`, `source`, `products.events`. */
  readonly where: string;
  /** Why it is present, with names and figures, for people. */
  readonly problem: string;
  /** Since when, ISO 8601; null when that is not known. */
  readonly since: string | null;
  /** The first step that ends it. */
  readonly remedy: string;
}

/** @param since ISO 8601; null when it is not known. @param remedy the one of the list by default. */
export const activeCondition = (
  condition: ConditionName,
  where: string,
  problem: string,
  since: string | null = null,
  remedy: string = conditions[condition].remedy,
): ActiveCondition => ({ condition, severity: conditions[condition].severity, where, problem, since, remedy });

/**
 * Combines lists: pages first, each condition once for each place. Several problems of one list are joined. Of reports
 * in several lists, the first one is kept; a missing time is taken from another.
 */
export function mergeConditions(...lists: readonly (readonly ActiveCondition[])[]): readonly ActiveCondition[] {
  const merged = new Map<string, ActiveCondition>();
  for (const list of lists)
    for (const [key, reports] of Map.groupBy(list, ({ condition, where }) => `${condition} ${where}`)) {
      const joined = joinReports(reports);
      const known = merged.get(key);
      merged.set(key, known ? { ...known, since: known.since ?? joined.since } : joined);
    }
  const pages = [...merged.values()].filter(({ severity }) => severity === "page");
  const tickets = [...merged.values()].filter(({ severity }) => severity === "ticket");
  return [...pages, ...tickets];
}

/** One list reports a condition of a place once for each entity, partition or part. */
function joinReports(reports: readonly ActiveCondition[]): ActiveCondition {
  const join = (texts: readonly string[]) => [...new Set(texts)].join("; ");
  const [since = null] = reports.flatMap((report) => report.since ?? []).sort();
  const problem = join(reports.map((report) => report.problem));
  return { ...reports[0]!, since, problem, remedy: join(reports.map(({ remedy }) => remedy)) };
}

/** One condition as a line of text. */
export const conditionText = ({ condition, where, problem, since, remedy }: ActiveCondition): string =>
  `${condition} (${where})${since ? ` since ${since}` : ""}: ${problem.replace(/\s+/g, " ").slice(0, 500)}; ${remedy}`;
