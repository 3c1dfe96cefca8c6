/** The package `lockstep/testing`: a running stack for a project's own tests. */
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { UserError } from "../contracts/errors.ts";
import { down } from "./down.ts";
import { DEFAULT_DATA } from "./options.ts";
import { isFree } from "./ports.ts";
import { readState, runningSupervisor, type StateEntry } from "./state.ts";
import { runProgram } from "./verbs.ts";

/** Which stack {@link openStack} opens. */
export interface StackOptions {
  /** Data folder of a stack that may run. Default: `.lockstep`. */
  readonly data?: string;
  /** File of the project, for a stack that is started. Default: LOCKSTEP_CONFIG, else `lockstep.config.ts`. */
  readonly config?: string;
}

/** A running stack. */
export interface Stack {
  /** Its data folder, for `lockstep/verbs`. */
  readonly data: string;
  /** Base URL of the gateway. */
  readonly gateway: string;
  /** Base URL of a replica. @throws {UserError} when the project has no such replica. */
  replica(name: string): string;
  /** URL of a PostgreSQL, with its password: of `gateway`, or of a replica. @throws {UserError} when there is none. */
  database(owner: string): string;
  /** Stops a stack that {@link openStack} started, and removes its data. Leaves a stack that ran before as it is. */
  close(): Promise<void>;
}

/**
 * Opens the stack that `bun run up` started in this folder. Without one, starts a stack with data and ports of its own,
 * which takes a few seconds, or minutes when programs have to be fetched first.
 *
 * @throws {UserError} with the output of `up` when the stack does not start.
 */
export async function openStack({ data = DEFAULT_DATA, config }: StackOptions = {}): Promise<Stack> {
  const running = resolve(data);
  if (readState(running)?.ready && runningSupervisor(running)) return stackOn(running, async () => {});
  const own = mkdtempSync(join(tmpdir(), "lockstep-test-"));
  // PostgreSQL's user must be able to enter.
  chmodSync(own, 0o711);
  const close = async () => {
    await down(own, () => {});
    rmSync(own, { recursive: true, force: true });
  };
  const { status, stdout, stderr } = await runProgram([
    ...["up", "--detach", "--data", own, "--port-base", String(await freePortBase())],
    ...(config === undefined ? [] : ["--config", config]),
  ]);
  if (status === 0) return stackOn(own, close);
  await close();
  throw new UserError(`the stack did not start:\n${stdout}${stderr}`);
}

function stackOn(data: string, close: () => Promise<void>): Stack {
  const entries = readState(data)?.entries ?? [];
  const urlOf = (what: string, isWanted: (entry: StateEntry) => boolean): string => {
    const entry = entries.find(isWanted);
    if (!entry) throw new UserError(`the stack has no ${what}; it has: ${entries.map(({ name }) => name).join(", ")}`);
    return entry.sharedUrl ?? entry.url;
  };
  return {
    data,
    gateway: urlOf("gateway", ({ kind }) => kind === "gateway"),
    replica: (wanted) => urlOf(`replica ${wanted}`, ({ kind, name }) => kind === "replica" && name === wanted),
    database: (owner) =>
      urlOf(`database of ${owner}`, ({ kind, name }) => kind === "postgres" && name === `${owner}-db`),
    close,
  };
}

/** Offsets of all ports of a stack with one instance of each service. */
const OFFSETS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 20, 30];

/** A random base whose ports are all free. */
async function freePortBase(): Promise<number> {
  for (;;) {
    const base = 10_000 + 100 * Math.floor(Math.random() * 100);
    const free = await Promise.all(OFFSETS.map((offset) => isFree(base + offset)));
    if (free.every(Boolean)) return base;
  }
}
