/** Reads `/health/ready` of a service, as other processes see it. */
import { conditions } from "../../contracts/conditions.ts";
import type { CheckResult } from "./condition-watch.ts";

/** A condition that a service reports at the moment. */
export type ReportedCondition = Pick<CheckResult, "condition" | "blocksReadiness" | "since"> & {
  /** Why the condition is present, for people. */
  readonly problem: string;
  readonly remedy: string;
};

/** What a service reports about itself. */
export interface Readiness {
  /** `not ready`: it responds and reports a problem. `down`: it does not respond. */
  readonly health: "ready" | "not ready" | "down";
  /** Null when the service is down. */
  readonly version: string | null;
  /** Why it is not ready or down; absent while it is ready. */
  readonly reason?: string;
  /** All conditions that are present, also those that do not block readiness. */
  readonly conditions: readonly ReportedCondition[];
  /** Remarks of checks that are no problem, by condition. */
  readonly notes: Readonly<Record<string, string>>;
}

const TIMEOUT_MS = 2_000;

/** Reads the readiness of the service at this base URL. Never rejects. Without a response within 2 s it is down. */
export async function readReadiness(url: string): Promise<Readiness> {
  try {
    const response = await fetch(`${url}/health/ready`, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    return readinessOf(response.ok, response.status, await response.text());
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { health: "down", version: null, reason, conditions: [], notes: {} };
  }
}

/** A body of another form, as of a proxy or of another version, has no conditions that this process knows. */
function readinessOf(isReady: boolean, status: number, text: string): Readiness {
  const { version = null, checks = [] } = parse(text);
  const known = checks.filter(({ condition }) => condition in conditions);
  const present = known.flatMap(({ condition, problem, blocksReadiness, since, remedy }) =>
    problem
      ? [
          {
            condition,
            problem,
            blocksReadiness,
            remedy: remedy ?? conditions[condition].remedy,
            ...(since ? { since } : {}),
          },
        ]
      : [],
  );
  const blocking = present.filter(({ blocksReadiness }) => blocksReadiness);
  const reason = blocking.map(({ condition, problem }) => `${condition}: ${problem}`).join("; ");
  const notes = Object.fromEntries(known.flatMap(({ condition, note }) => (note ? [[condition, note]] : [])));
  const readiness = { version, conditions: present, notes };
  if (isReady) return { health: "ready", ...readiness };
  return { health: "not ready", reason: reason || text.slice(0, 300) || `status ${status}`, ...readiness };
}

function parse(text: string): { readonly version?: string; readonly checks?: readonly CheckResult[] } {
  try {
    const body = JSON.parse(text) as { version?: string; checks?: unknown };
    return Array.isArray(body.checks) ? (body as ReturnType<typeof parse>) : {};
  } catch {
    return {};
  }
}
