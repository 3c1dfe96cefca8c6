/** Evaluates the checks of a service: for `/health/ready`, and for the gauge that alerts read. */
import { type ConditionName, conditions } from "../../contracts/conditions.ts";
import type { Metrics } from "../../observability/metrics.ts";
import type { Check } from "../service.ts";

/** Time between two evaluations that nobody requests, in milliseconds. They only keep `since` exact. */
const INTERVAL_MS = 1_000;

/** The result of one check, as `/health/ready` shows it. */
export interface CheckResult {
  /** The condition that the check watches. */
  readonly condition: ConditionName;
  /** Why the condition is present, for people; null while it is absent. */
  readonly problem: string | null;
  /** Whether the condition makes the service not ready. */
  readonly blocksReadiness: boolean;
  /** Since when the condition is present, ISO 8601; absent while it is not. */
  readonly since?: string;
  /** What to do about it; absent while the condition is. */
  readonly remedy?: string;
  /** Additional state that is no problem. */
  readonly note?: string | null;
}

/** Watches the checks of one service as long as its process runs. */
export class ConditionWatch {
  /** By check: when its condition appeared. */
  private readonly since = new Map<Check, string>();

  /** Also reports every condition as the gauge `lockstep_condition`. */
  constructor(
    private readonly checks: readonly Check[],
    metrics: Pick<Metrics, "condition" | "onCollect">,
  ) {
    metrics.onCollect(() => {
      const results = Map.groupBy(this.evaluate().results, ({ condition }) => condition);
      for (const [condition, ofCondition] of results)
        metrics.condition.set({ condition }, ofCondition.some(({ problem }) => problem !== null) ? 1 : 0);
    });
    setInterval(() => void this.evaluate(), INTERVAL_MS).unref();
  }

  /** Evaluates all checks. `ready` is false while a condition that blocks readiness is present. */
  evaluate(): { readonly ready: boolean; readonly results: readonly CheckResult[] } {
    const results = this.checks.map((check) => this.resultOf(check));
    return { ready: results.every(({ problem, blocksReadiness }) => problem === null || !blocksReadiness), results };
  }

  private resultOf(check: Check): CheckResult {
    const { condition, blocksReadiness, note } = check;
    const problem = check.problem() ?? null;
    if (problem === null) this.since.delete(check);
    else if (!this.since.has(check)) this.since.set(check, new Date().toISOString());
    const since = this.since.get(check);
    return {
      condition,
      problem,
      blocksReadiness,
      ...(since ? { since, remedy: conditions[condition].remedy } : {}),
      ...(note ? { note: note() ?? null } : {}),
    };
  }
}
