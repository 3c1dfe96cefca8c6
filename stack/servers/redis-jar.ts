/** Redis' program from a jar, for machines without Python: Maven, which the broker needs anyway, fetches and unpacks it. */
import { chmodSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { cached, MissingComponentError, withProgress } from "./machine-cache.ts";
import { errorLineOf, run } from "./run-command.ts";
import type { StartOptions } from "./server.ts";

const VERSION = "1.4.3";
/** Its newest server is Redis 6.2, which has every command that the cache uses. */
const ARTIFACT = `com.github.codemonstur:embedded-redis:${VERSION}`;
const PROGRAM = `redis-server-*-${process.platform}-${process.arch === "x64" ? "amd64" : process.arch}`;

/**
 * The path of a Redis server that runs here.
 *
 * @param remedy what to do when there is none.
 * @throws {MissingComponentError} when Maven is missing or cannot fetch the jar, or its program does not run here.
 */
export async function redisFromJar(remedy: string, options: StartOptions): Promise<string> {
  const folder = await cached(
    `embedded-redis-${VERSION}-${process.platform}-${process.arch}`,
    (into) =>
      withProgress(
        "fetching Redis through Maven (12 MB, once per machine)",
        () => unpack(into, remedy, options),
        options,
      ),
    options,
  );
  const name = readdirSync(folder).find((file) => file.startsWith("redis-server-"));
  if (!name) throw new MissingComponentError(`${ARTIFACT} has no Redis for this machine`, remedy);
  const program = join(folder, name);
  chmodSync(program, 0o755);
  const { status, output } = await run(program, ["--version"]);
  if (status !== 0)
    throw new MissingComponentError(`the Redis of ${ARTIFACT} does not run here (${errorLineOf(output)})`, remedy);
  return program;
}

async function unpack(into: string, remedy: string, { signal }: StartOptions): Promise<void> {
  const { status, output } = await run(
    "mvn",
    [
      ...["--batch-mode", "--quiet", "dependency:unpack", `-Dartifact=${ARTIFACT}`],
      ...[`-DoutputDirectory=${into}`, `-Dmdep.unpack.includes=${PROGRAM}`],
    ],
    { cwd: into, signal },
  );
  if (status === 127)
    throw new MissingComponentError("Redis is not on this machine, nor Python or Maven to fetch it", remedy);
  // Maven's marker of what it unpacked; without a project it takes the name of the folder literally.
  rmSync(join(into, `\${project.basedir}`), { recursive: true, force: true });
  if (status !== 0) throw new MissingComponentError(`Redis could not be fetched (${errorLineOf(output)})`, remedy);
}
