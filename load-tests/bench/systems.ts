/** Starts the systems that a bench measures: a stack, or a peer. */
import { connectStack } from "./connect-stack.ts";
import type { PhaseMeasurement, SystemUnderTest } from "./measurement.ts";
import { startDualWrite } from "./peers/dual-write.ts";
import { DualWriteMeasurement } from "./peers/dual-write-measurement.ts";
import type { Schemas } from "./peers/peer-servers.ts";
import { startPglogical } from "./peers/pglogical.ts";
import { PglogicalMeasurement } from "./peers/pglogical-measurement.ts";
import type { SystemName } from "./result.ts";
import { attach, startTemporaryStack, tokenFor } from "./running-stack.ts";
import { StackMeasurement } from "./stack-measurement.ts";

/** A system that runs. */
export interface RunningSystem {
  readonly system: SystemUnderTest;
  /** Data folder of the stack; empty for a peer. */
  readonly data: string;
  readonly brokers: number;
  /** False when changes by plain SQL do not reach its copies. */
  readonly capturesSql: boolean;
  /** Called for each phase. */
  readonly createMeasurement: () => PhaseMeasurement;
  /** Closes all connections. Stops a temporary system and removes its data. */
  stop(): Promise<void>;
}

/** Which stack to use. */
export interface StackChoice {
  /** Folder of a running stack. Default: a temporary stack. */
  readonly data?: string;
  /** Flags of `up` for a temporary stack. */
  readonly flags: readonly string[];
}

/**
 * Starts a system.
 *
 * @param signal aborts the start, which then leaves nothing behind.
 * @throws {Error} when a process or server does not start.
 */
export async function startSystem(
  name: SystemName,
  schemas: Schemas,
  choice: StackChoice,
  signal: AbortSignal,
): Promise<RunningSystem> {
  if (name === "lockstep") return startStack(schemas, choice, signal);
  const isDualWrite = name === "dual-write";
  const peer = await (isDualWrite ? startDualWrite(schemas, signal) : startPglogical(schemas, signal));
  return {
    system: peer,
    data: "",
    brokers: isDualWrite ? 1 : 0,
    capturesSql: !isDualWrite,
    createMeasurement: () => (isDualWrite ? new DualWriteMeasurement(peer) : new PglogicalMeasurement(peer)),
    stop: () => peer.stop(),
  };
}

async function startStack(
  { project }: Schemas,
  { data: existing, flags }: StackChoice,
  signal: AbortSignal,
): Promise<RunningSystem> {
  const stack = await (existing === undefined ? startTemporaryStack(flags, signal) : attach(existing));
  try {
    const system = await connectStack(stack.status, project, await tokenFor(stack.data));
    let stopping: Promise<void> | undefined;
    const stop = async () => {
      await system[Symbol.asyncDispose]();
      await stack.stop();
    };
    return {
      system,
      data: stack.data,
      brokers: stack.status.services.filter(({ kind }) => kind === "broker").length,
      capturesSql: true,
      createMeasurement: () => new StackMeasurement(system),
      stop: () => (stopping ??= stop()),
    };
  } catch (error) {
    await stack.stop();
    throw error;
  }
}
