/**
 * Real servers for tests. Each starts when a test first needs it, serves all tests of the run, and stops at its end.
 * `bun run test` starts them once and passes their addresses in TEST_POSTGRES_URL, TEST_KAFKA_BROKERS, TEST_REDIS_URL.
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

/** Holds one promise per server and process, also when a test runner loads this module more than once. */
const key = Symbol.for("lockstep.test.parts");
const globals = globalThis as { [key]?: Map<string, Promise<string>> };
const sharedServers = globals[key] ?? new Map<string, Promise<string>>();
globals[key] = sharedServers;

/** Starts the server whose address the variable holds. */
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
 * Starts all servers for a test run in another process. They stop when this process exits. The test process does not
 * start them itself, because Bun kills that process' children when a test times out.
 *
 * @returns environment variables for the other process.
 */
export async function startServers(): Promise<Record<string, string>> {
  const started = Object.entries(starters).map(async ([name, start]) => [name, await start()] as const);
  return Object.fromEntries(await Promise.all(started));
}

/** Creates a folder that any user may enter, since PostgreSQL does not run as root. It is removed when this process exits. */
export function temporaryFolder(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `lockstep-test-${name}-`));
  removeAtExit(folder);
  chmodSync(folder, 0o711);
  return folder;
}

/** Returns the superuser's URL of the shared PostgreSQL. Use `freshDatabase` unless a test needs the whole server. */
export const postgresUrl = (): Promise<string> => addressOf("TEST_POSTGRES_URL");

async function newPostgres(): Promise<string> {
  const dir = temporaryFolder("postgres");
  const server = await startPostgres({ name: "test-db", dir, port: await freePort(), database: "lockstep" });
  stopAtExit(server.pid, "QUIT", dir);
  return server.url;
}

/** Creates an empty database on a real PostgreSQL 18 with `track_commit_timestamp`, and returns its URL. */
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

/** Returns `host:port` of a real broker, the only one of its cluster. Each test uses its own topics and groups. */
export const brokerAddress = (): Promise<string> => addressOf("TEST_KAFKA_BROKERS");

async function newBroker(): Promise<string> {
  const dir = temporaryFolder("broker");
  const node = { nodeId: 1, port: await freePort(), controllerPort: await freePort() };
  const server = await startBroker({ ...node, dir, cluster: [node] });
  stopAtExit(server.pid, "KILL", dir);
  return server.url;
}

/** Returns the URL of a real Redis or Valkey. Each test uses its own key prefix or replica name. */
export const redisUrl = (): Promise<string> => addressOf("TEST_REDIS_URL");

async function newRedis(): Promise<string> {
  const dir = temporaryFolder("redis");
  const server = await startRedis({ dir, port: await freePort() });
  stopAtExit(server.pid, "KILL", dir);
  return server.url;
}
