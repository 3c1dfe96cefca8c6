/** The health of one service, from its own health endpoint. */
import type { CheckResult } from "../../platform/http/condition-watch.ts";
import type { StackEntry } from "../../platform/stack-file.ts";

/** Health of one instance of a service. */
export interface ServiceHealth {
  readonly name: string;
  /** From 1. */
  readonly instance: number;
  readonly url: string;
  /** Null when the service is down. */
  readonly version: string | null;
  readonly health: "ready" | "not ready" | "down";
  readonly reason?: string;
  /** Remarks of the service's checks that are no problem, by condition. */
  readonly notes?: Readonly<Record<string, string>>;
}

type ServiceCheck = Pick<CheckResult, "condition" | "problem" | "note" | "blocksReadiness" | "since" | "remedy">;

const TIMEOUT_MS = 2_000;

/** Reads `/health/ready` of a service. Never rejects: a service that does not answer within 2 s is down. */
export async function readServiceHealth({ name, instance, url }: StackEntry): Promise<ServiceHealth> {
  try {
    const response = await fetch(`${url}/health/ready`, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    const body = (await response.json()) as { version?: string; checks?: ServiceCheck[] };
    const checks = body.checks ?? [];
    const blocking = checks.filter(({ problem, blocksReadiness }) => problem && blocksReadiness);
    const reason = blocking.map(({ condition, problem }) => `${condition}: ${problem}`).join("; ");
    const notes = Object.fromEntries(checks.flatMap((check) => (check.note ? [[check.condition, check.note]] : [])));
    const health = response.ok ? "ready" : "not ready";
    return { name, instance, url, version: body.version ?? null, health, ...(reason ? { reason } : {}), notes };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { name, instance, url, version: null, health: "down", reason };
  }
}
