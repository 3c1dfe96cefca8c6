/**
 * `bun run up`: locks the data folder, stops what an earlier supervisor left behind, and runs a stack until it is
 * stopped.
 */
import { once } from "node:events";
import { UserError } from "../contracts/errors.ts";
import { developmentSettings, ensureDevelopmentKey } from "../platform/auth/development.ts";
import { rejectUnauthenticatedBind } from "../platform/auth/guard.ts";
import { readSettings, SettingsError } from "../platform/settings/settings.ts";
import { createDataFolder, removeData, resolveShape, writeShape } from "./data-folder.ts";
import { releaseAll } from "./hold.ts";
import { type UpOptions, UsageError } from "./options.ts";
import { stopOrphans } from "./orphans.ts";
import { planStack } from "./plan.ts";
import { createProcessGroup } from "./process-group.ts";
import { identityOf } from "./processes.ts";
import { commandText } from "./program.ts";
import { recordOffsets, replicaOffsets } from "./replica-ports.ts";
import { requireFreePorts } from "./require-free-ports.ts";
import { startStack, type UpDeps } from "./start-stack.ts";
import { lockDataFolder, removeState, runningSupervisor, unlockDataFolder } from "./state.ts";

/** Another supervisor runs on the same data folder. */
export class AlreadyRunningError extends UserError {
  constructor(data: string, pid: number) {
    super(
      `a stack already runs on ${data} (supervisor pid ${pid}): see it with ${commandText("status")}, stop it with ${commandText("down")}`,
      "ALREADY_RUNNING",
    );
  }
}

/** @throws {AlreadyRunningError} when a supervisor runs on the data folder. */
export function requireNotRunning(data: string): void {
  const other = runningSupervisor(data);
  if (other) throw new AlreadyRunningError(data, other.pid);
}

/**
 * Runs a stack until `stopSignal` aborts. When this settles, no process that it started is running any more.
 *
 * @throws {AlreadyRunningError}
 * @throws {UsageError} when a setting is wrong, flags do not match the data, or a port is in use.
 * @throws {Error} when a process could not be started or did not become ready.
 */
export async function runStack(options: UpOptions, callerDeps: UpDeps): Promise<void> {
  const { data, auth, external } = options;
  const deps = auth ? { ...callerDeps, env: { ...callerDeps.env, ...developmentSettings(data) } } : callerDeps;
  validateSettings(deps.env, { hasDevelopmentIssuer: auth, startsBrokers: external.brokers === undefined });
  createDataFolder(data);
  const other = lockDataFolder(data, { pid: process.pid, identity: identityOf(process.pid) });
  if (other) throw new AlreadyRunningError(data, other.pid);
  try {
    await stopOrphans(data, deps.print);
    releaseAll(data);
    if (options.fresh) {
      removeData(data);
      createDataFolder(data);
    }
    if (auth) await ensureDevelopmentKey(data);
    await runPlan(options, deps);
  } finally {
    removeState(data);
    unlockDataFolder(data);
  }
}

/**
 * Rejects wrong settings before anything starts. Each service would reject them too, but only after all servers run.
 */
function validateSettings(
  env: UpDeps["env"],
  { hasDevelopmentIssuer, startsBrokers }: { hasDevelopmentIssuer: boolean; startsBrokers: boolean },
): void {
  try {
    // Each service gets its own PORT, so the caller's does not count.
    const settings = readSettings({ ...env, PORT: undefined });
    rejectUnauthenticatedBind(settings);
    if (settings.LOCKSTEP_AUTH === "jwt" && !hasDevelopmentIssuer && settings.LOCKSTEP_TOKEN === undefined)
      throw new SettingsError([
        "LOCKSTEP_TOKEN: with LOCKSTEP_AUTH=jwt, up needs a token with write permission for its test write",
      ]);
    if (startsBrokers && (settings.KAFKA_TLS || settings.KAFKA_SASL_MECHANISM))
      throw new SettingsError([
        "KAFKA_TLS and KAFKA_SASL_MECHANISM: the stack's own brokers support neither; set KAFKA_BROKERS too, or leave these out",
      ]);
  } catch (error) {
    throw error instanceof SettingsError ? new UsageError(error.message) : error;
  }
}

async function runPlan(options: UpOptions, deps: UpDeps): Promise<void> {
  const { print, stopSignal, killSignal } = deps;
  const shape = resolveShape(options);
  const plan = planStack(options, shape.brokers, replicaOffsets(deps.project));
  await requireFreePorts(plan);
  writeShape(options.data, shape);
  recordOffsets(deps.project);
  const group = createProcessGroup(options.data, plan.external, print);
  killSignal.addEventListener("abort", () => void group.stop("SIGKILL"));
  try {
    await startStack(group, { plan, options, partitions: shape.partitions }, deps);
    if (!stopSignal.aborted) await once(stopSignal, "abort");
    print("stopping …");
  } finally {
    await group.stop(killSignal.aborted ? "SIGKILL" : undefined);
  }
  print(`stopped; the data is kept in ${options.data}`);
}
