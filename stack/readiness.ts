/** Waits until all services say that they can do their work. */

import { UserError } from "../contracts/errors.ts";
import { healthOf } from "./health.ts";
import type { GroupMember } from "./process-group.ts";
import { lastLines } from "./servers/server.ts";

/** A service that crashed this often before it was ever ready will not get there. */
const HOPELESS_CRASHES = 6;
const TOLD_EVERY_MS = 5_000;

export interface ReadinessBounds {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
}

/**
 * Resolves when each of the services is ready.
 *
 * @throws {UserError} when one crashes again and again, with its log's last lines, or when the time is up, with what is missing.
 */
export async function untilReady(services: readonly GroupMember[], bounds: ReadinessBounds): Promise<void> {
  const deadline = Date.now() + bounds.timeoutMs;
  let toldAt = Date.now();
  for (;;) {
    bounds.signal.throwIfAborted();
    for (const service of services) refuseHopeless(service);
    const missing = await notReady(services);
    if (missing.length === 0) return;
    if (Date.now() > deadline)
      throw new UserError(`not ready within ${bounds.timeoutMs / 1000} s: ${missing.join("; ")}`);
    if (Date.now() - toldAt > TOLD_EVERY_MS) {
      toldAt = Date.now();
      bounds.say(`still waiting: ${missing.join("; ")}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function notReady(services: readonly GroupMember[]): Promise<string[]> {
  const answers = await Promise.all(
    services.map(async ({ planned, part, kept }) => ({
      label: part.label,
      ...(await healthOf(planned.kind, kept.url())),
    })),
  );
  return answers
    .filter(({ health }) => health !== "ready")
    .map(({ label, health, reason }) => `${label} is ${health}${reason ? ` (${reason.replace(/\s+/g, " ")})` : ""}`);
}

function refuseHopeless({ part, kept }: GroupMember): void {
  if (kept.crashedAt().length < HOPELESS_CRASHES) return;
  throw new UserError(
    `${part.label} crashes again and again; the last lines of ${part.logFile}:\n${lastLines(part.logFile, 6)}`,
  );
}
