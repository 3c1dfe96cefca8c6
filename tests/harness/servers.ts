/**
 * Real servers for tests: started when first asked for, shared by all tests of the run, gone when it ends.
 * `bun run test` starts them once and hands their addresses over in TEST_POSTGRES_URL, TEST_KAFKA_BROKERS, TEST_REDIS_URL.
 */
import { randomBytes } from "node:crypto";
import { chmodSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import postgres from "postgres";
import { startBroker } from "../../stack/servers/broker.ts";
import { startPostgres } from "../../stack/servers/postgres.ts";
import { startRedis } from "../../stack/servers/redis.ts";
import { removeAtExit, stopAtExit } from "./clean-up-at-exit.ts";
import { freePort } from "./ports.ts";

export { eventually } from "./eventually.ts";
export { freePort } from "./ports.ts";

/** One promise per server and process, also when a test runner loads this module more than once. */
const key = Symbol.for("lockstep.test.parts");
const globals = globalThis as { [key]?: Map<string, Promise<string>> };
const sharedServers = globals[key] ?? new Map<string, Promise<string>>();
globals[key] = sharedServers;

/** What each variable stands for, started anew. */
const starters = { TEST_POSTGRES_URL: newPostgres, TEST_KAFKA_BROKERS: newBroker, TEST_REDIS_URL: newRedis };

function addressOf(variable: keyof typeof starters): Promise<string> {
  const given = process.env[variable];
  if (given) return Promise.resolve(given);
  let running = sharedServers.get(variable);
  if (!running) {
    running = starters[variable]();
    sharedServers.set(variable, running);
  }
  return running;
}

/**
 * Servers for a run of tests in another process, as variables for it; ended with this process. Not started by the tests' own: when a test takes
 * too long, Bun kills what that process has started.
 */
export async function startServers(): Promise<Record<string, string>> {
  const started = Object.entries(starters).map(async ([name, start]) => [name, await start()] as const);
  return Object.fromEntries(await Promise.all(started));
}

/** A new folder that any user may enter (PostgreSQL's is another one than root). It is gone when the run ends. */
export function temporaryFolder(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `lockstep-test-${name}-`));
  removeAtExit(folder);
  chmodSync(folder, 0o711);
  return folder;
}

/** URL of the shared PostgreSQL's own database, as superuser. Use `freshDatabase` unless a test needs the whole server. */
export const postgresUrl = (): Promise<string> => addressOf("TEST_POSTGRES_URL");

async function newPostgres(): Promise<string> {
  const dir = temporaryFolder("postgres");
  const server = await startPostgres({ name: "test-db", dir, port: await freePort(), database: "lockstep" });
  stopAtExit(server.pid, "QUIT", dir);
  return server.url;
}

/** URL of a new, empty database on a real PostgreSQL 18 with `track_commit_timestamp`. */
export async function freshDatabase(): Promise<string> {
  const url = new URL(await postgresUrl());
  const name = `test_${randomBytes(6).toString("hex")}`;
  const sql = postgres(url.href, { max: 1, onnotice: () => {} });
  try {
    await sql.unsafe(`create database ${name}`);
  } finally {
    await sql.end();
  }
  url.pathname = `/${name}`;
  return url.href;
}

/** `host:port` of a real broker, the only one of its cluster. Tests use topics and groups of their own. */
export const brokerAddress = (): Promise<string> => addressOf("TEST_KAFKA_BROKERS");

async function newBroker(): Promise<string> {
  const dir = temporaryFolder("broker");
  const node = { nodeId: 1, port: await freePort(), controllerPort: await freePort() };
  const server = await startBroker({ ...node, dir, cluster: [node] });
  stopAtExit(server.pid, "KILL", dir);
  return server.url;
}

/** URL of a real Redis or Valkey. Tests use key prefixes or replica names of their own. */
export const redisUrl = (): Promise<string> => addressOf("TEST_REDIS_URL");

async function newRedis(): Promise<string> {
  const dir = temporaryFolder("redis");
  const server = await startRedis({ dir, port: await freePort() });
  stopAtExit(server.pid, "KILL", dir);
  return server.url;
}
