/**
 * `bun run restart`: restarts services one instance at a time, so that other instances of the same service stay
 * available. The command ends the process, the supervisor starts it again, and the next restart begins when the
 * instance is ready.
 */
import { UserError } from "../contracts/errors.ts";
import { isService } from "../contracts/services.ts";
import { healthOf } from "./health.ts";
import { terminate } from "./processes.ts";
import { commandText } from "./program.ts";
import { processOf, readState, runningSupervisor, type StateEntry } from "./state.ts";
import { NotYetError, waitFor } from "./wait-for.ts";

/** Time for a service to stop before SIGKILL, in milliseconds. The default of LOCKSTEP_SHUTDOWN_MS is 10,000. */
const STOP_TIMEOUT_MS = 60_000;
const WAIT = { timeoutMs: 120_000, intervalMs: 50 };

/** Times of one restart, in milliseconds. */
export interface RestartResult {
  readonly name: string;
  /** From 1. */
  readonly instance: number;
  /** When the signal was sent, since 1970. */
  readonly atMs: number;
  /** From the signal until the process was gone. */
  readonly stopMs: number;
  /** From the signal until the service was ready again. */
  readonly backMs: number;
}

/**
 * Restarts services one after the other. Does not restart servers: each has only one instance.
 *
 * @param names services in this order; empty: all services.
 * @throws {UserError} when nothing runs on the folder, a name is unknown, or a service does not become ready again.
 */
export async function restart(
  data: string,
  names: readonly string[],
  print: (line: string) => void,
): Promise<RestartResult[]> {
  if (!runningSupervisor(data)) throw new UserError(`nothing runs on ${data}; start it with: ${commandText("up")}`);
  const services = servicesOn(data);
  const known = [...new Set(services.map(({ name }) => name))];
  for (const name of names)
    if (!known.includes(name))
      throw new UserError(`there is no service ${name}; the services are: ${known.join(", ")}`);
  const selected = names.length === 0 ? services : names.flatMap((name) => services.filter((s) => s.name === name));
  const results: RestartResult[] = [];
  for (const service of selected) results.push(await restartOne(data, service, print));
  return results;
}

const servicesOn = (data: string): StateEntry[] => (readState(data)?.entries ?? []).filter(isService);

async function restartOne(
  data: string,
  { name, instance }: StateEntry,
  print: (line: string) => void,
): Promise<RestartResult> {
  const entry = () => servicesOn(data).find((service) => service.name === name && service.instance === instance);
  const old = await waitFor(`${name} ${instance} to run`, WAIT, async () => {
    const current = entry();
    const running = current && processOf(current);
    if (!running) throw new NotYetError(`it has no process; see: ${commandText("status")}`);
    return running;
  });
  const atMs = Date.now();
  const startedAt = performance.now();
  await terminate(old, "SIGTERM", STOP_TIMEOUT_MS);
  const stopMs = Math.round(performance.now() - startedAt);
  await waitFor(`${name} ${instance} to be ready again`, WAIT, async () => {
    const current = entry();
    if (!current?.pid || current.pid === old.pid)
      throw new NotYetError(`it was not restarted; see: ${commandText("status")}`);
    const { health, reason = "" } = await healthOf(current.kind, current.url);
    if (health !== "ready") throw new NotYetError(`it is ${health} (${reason}); see: ${commandText("status")}`);
  });
  const backMs = Math.round(performance.now() - startedAt);
  print(`${name} ${instance}: stopped after ${stopMs} ms, ready again after ${backMs} ms`);
  return { name, instance, atMs, stopMs, backMs };
}
