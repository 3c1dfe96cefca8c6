/**
 * `bun run restart`: every service, or those that are named, one instance at a time, so that of several one is always there. Each is told
 * to end and started again by its supervisor; the next one's turn comes when it says that it is ready.
 */

import { UserError } from "../contracts/errors.ts";
import { isService } from "../platform/stack-file.ts";
import { healthOf } from "./health.ts";
import { endProcess } from "./processes.ts";
import { type Entry, processOf, readState, runningSupervisor } from "./state.ts";

/** It has LOCKSTEP_SHUTDOWN_MS for that; a longer one is waited for all the same, and the supervisor's bound holds for `down` alone. */
const STOP_WITHIN_MS = 60_000;
const READY_WITHIN_MS = 120_000;

export interface Restarted {
  readonly name: string;
  readonly instance: number;
  /** When it was told to end: milliseconds since 1970. */
  readonly atMs: number;
  /** From the signal until it was gone. */
  readonly stopMs: number;
  /** From the signal until it was ready again. */
  readonly backMs: number;
}

/**
 * Restarts services one after the other.
 *
 * @param names in their order; empty: all of them. Servers are not restarted: their clients have only one.
 * @throws {UserError} when nothing runs on the folder, a name is not one of a service, or one does not come back.
 */
export async function restart(
  data: string,
  names: readonly string[],
  say: (line: string) => void,
): Promise<Restarted[]> {
  if (!runningSupervisor(data)) throw new UserError(`nothing runs on ${data}; start it with: bun run up`);
  const services = servicesOn(data);
  for (const name of names)
    if (!services.some((service) => service.name === name))
      throw new UserError(
        `there is no service ${name}; there are: ${[...new Set(services.map((s) => s.name))].join(", ")}`,
      );
  const wanted = names.length === 0 ? services : names.flatMap((name) => services.filter((s) => s.name === name));
  const done: Restarted[] = [];
  for (const service of wanted) done.push(await restartOne(data, service, say));
  return done;
}

const servicesOn = (data: string): Entry[] => (readState(data)?.entries ?? []).filter(isService);

async function restartOne(data: string, { name, instance }: Entry, say: (line: string) => void): Promise<Restarted> {
  const now = () => servicesOn(data).find((entry) => entry.name === name && entry.instance === instance);
  const known = await untilThere(() => {
    const entry = now();
    return entry && processOf(entry);
  }, `${name} ${instance} to run`);
  const atMs = Date.now();
  const begun = performance.now();
  await endProcess(known, "SIGTERM", STOP_WITHIN_MS);
  const stopMs = Math.round(performance.now() - begun);
  await untilThere(async () => {
    const entry = now();
    return entry?.pid && entry.pid !== known.pid && (await healthOf(entry.kind, entry.url)).health === "ready";
  }, `${name} ${instance} to be ready again`);
  const backMs = Math.round(performance.now() - begun);
  say(`${name} ${instance}: ended after ${stopMs} ms, ready again after ${backMs} ms`);
  return { name, instance, atMs, stopMs, backMs };
}

async function untilThere<T>(
  look: () => T | Promise<T>,
  what: string,
): Promise<Exclude<T, undefined | null | false | 0 | "">> {
  const deadline = performance.now() + READY_WITHIN_MS;
  for (;;) {
    const found = await look();
    if (found) return found as Exclude<T, undefined | null | false | 0 | "">;
    if (performance.now() > deadline)
      throw new UserError(`waited ${READY_WITHIN_MS / 1000} s for ${what}; see: bun run status`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
