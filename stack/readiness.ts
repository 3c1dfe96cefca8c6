/** Waits until the services of a stack are ready. */
import { UserError } from "../contracts/errors.ts";
import { healthOf } from "./health.ts";
import type { GroupMember } from "./process-group.ts";
import { lastLines } from "./servers/server.ts";
import { NotYetError, waitFor } from "./wait-for.ts";

/** A service that crashed this often within a minute will not become ready. */
const MAX_CRASHES = 6;
const POLL_MS = 100;
const PROGRESS_INTERVAL_MS = 5_000;

/** How long {@link waitUntilReady} waits, and where it prints what is missing. */
export interface ReadinessOptions {
  readonly timeoutMs: number;
  /** Ends the wait with the signal's reason. */
  readonly signal: AbortSignal;
  readonly print: (line: string) => void;
}

/**
 * Resolves when all services are ready. Prints every 5 s the services that are not.
 *
 * @throws {UserError} when a service keeps crashing, with the last lines of its log; after `timeoutMs`, with the
 *   services that are not ready and why.
 */
export async function waitUntilReady(services: readonly GroupMember[], options: ReadinessOptions): Promise<void> {
  const { timeoutMs, signal, print } = options;
  let printedAt = Date.now();
  const onRetry = (missing: string) => {
    if (Date.now() - printedAt <= PROGRESS_INTERVAL_MS) return;
    printedAt = Date.now();
    print(`still waiting: ${missing}`);
  };
  await waitFor("all services to be ready", { timeoutMs, intervalMs: POLL_MS, signal, onRetry }, async () => {
    for (const service of services) throwIfCrashLooping(service);
    const missing = await listNotReady(services);
    if (missing.length > 0) throw new NotYetError(missing.join("; "));
  });
}

async function listNotReady(services: readonly GroupMember[]): Promise<string[]> {
  const results = await Promise.all(
    services.map(async ({ planned, spec, supervised }) => ({
      label: spec.label,
      ...(await healthOf(planned.kind, supervised.url)),
    })),
  );
  return results
    .filter(({ health }) => health !== "ready")
    .map(({ label, health, reason }) => `${label} is ${health}${reason ? ` (${reason.replace(/\s+/g, " ")})` : ""}`);
}

function throwIfCrashLooping({ spec, supervised }: GroupMember): void {
  if (supervised.crashedAt.length < MAX_CRASHES) return;
  throw new UserError(
    `${spec.label} keeps crashing; the last lines of ${spec.logFile}:\n${lastLines(spec.logFile, 6)}`,
  );
}
