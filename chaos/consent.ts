/** What chaos may do to a system that it has not started, and the question before it does so. */
import { createInterface } from "node:readline/promises";
import { UserError } from "../contracts/errors.ts";
import { connectPool } from "../platform/postgres/connect.ts";
import type { Fault } from "./fault.ts";
import type { System } from "./system.ts";

/** Flags of the command line about consent. */
export interface ConsentFlags {
  /** True when `--faults` names each fault; false for all. */
  readonly areNamed: boolean;
  readonly allowDataLoss: boolean;
}

/**
 * The faults that are possible in a system and may be caused there. Somebody's own system gets a fault that loses data
 * only when the command line names it and allows the loss.
 *
 * @throws {UserError} when a named fault loses data and the loss is not allowed, or no fault is possible.
 */
export function permittedFaults(
  system: System,
  faults: readonly Fault[],
  { areNamed, allowDataLoss }: ConsentFlags,
): readonly Fault[] {
  const isOwn = system.kind === "own";
  const lossy = faults.filter(({ destroys }) => destroys).map(({ name }) => name);
  if (isOwn && areNamed && lossy.length > 0 && !allowDataLoss)
    throw new UserError(`${lossy.join(", ")}: loses data; allow it with --allow-data-loss, or leave it out`);
  const permitted = faults.filter(
    ({ subjects, destroys }) => subjects(system).length > 0 && !(isOwn && destroys && !areNamed),
  );
  if (permitted.length === 0) throw new UserError("no fault of --faults is possible in this system: see --list");
  return permitted;
}

/** How chaos is going to run. */
export interface Intention {
  readonly faults: readonly Fault[];
  readonly runs: number;
  readonly seconds: number;
  /** Writes per second. */
  readonly rate: number;
}

/** What chaos is going to do, as text. Pure. */
export function announcement({ addresses }: System, { faults, runs, seconds, rate }: Intention): string {
  const hostOf = (url: string) => new URL(url).host;
  const replicas = [...addresses.replicaDatabases].map(([name, url]) => `${name} at ${hostOf(url)}`);
  return [
    `chaos is going to send about ${runs * seconds * rate} writes to ${addresses.gateway}. Its products stay there.`,
    `While it writes, it causes: ${faults.map(({ name }) => name).join(", ")}.`,
    `These faults hit the source at ${hostOf(addresses.sourceDatabase)}, the replicas ${replicas.join(" and ")}, ` +
      `the brokers ${addresses.brokers.join(" and ")}` +
      `${addresses.redis === undefined ? "." : `, and Redis at ${hostOf(addresses.redis)}.`}`,
  ].join("\n");
}

/** Longest time for a statement, in milliseconds. */
const STATEMENT_TIMEOUT_MS = 5_000;

/**
 * Claims the system for this command, by a session in the source's database until disposal: the faults and invalid
 * records of another chaos would be judged as those of this run.
 *
 * @throws {UserError} when another chaos has a session there.
 * @throws {Error} when the database does not respond.
 */
export async function claimSystem({ addresses }: Pick<System, "addresses">): Promise<AsyncDisposable> {
  const sql = connectPool(addresses.sourceDatabase, {
    max: 1,
    name: "chaos",
    statementTimeoutMs: STATEMENT_TIMEOUT_MS,
  });
  const release = () => sql.end({ timeout: 1 });
  try {
    const others = await sql`
      select from pg_stat_activity
      where datname = current_database() and application_name in ('chaos', 'chaos-client') and pid <> pg_backend_pid()`;
    if (others.length > 0) throw new UserError("another chaos acts on this system: wait until it has ended");
  } catch (error) {
    await release();
    throw error;
  }
  return { [Symbol.asyncDispose]: release };
}

/** Asks on the terminal. @throws {UserError} unless the answer is `yes`. */
export async function confirm(): Promise<void> {
  if (!process.stdin.isTTY) throw new UserError("there is no terminal to ask on: add --yes to go on");
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  // Ctrl-C and Ctrl-D at the question are a no.
  const answer = await terminal.question("Go on? Type yes: ").catch(() => "");
  terminal.close();
  if (answer.trim().toLowerCase() !== "yes") throw new UserError("nothing was done");
}
