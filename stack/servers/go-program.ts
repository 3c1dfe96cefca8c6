/** Programs that Go builds from their module, once per machine. */
import { join } from "node:path";
import { cached, MissingComponentError, reasonIn, run, withProgress } from "./machine-cache.ts";
import type { StartOptions } from "./server.ts";

export interface GoProgram {
  /** As people call it. */
  readonly what: string;
  /** Its file. */
  readonly program: string;
  readonly module: string;
  readonly version: string;
  /** Package to build, relative to the module. */
  readonly from: string;
  readonly ldflags?: string;
  /** The module's checksum, where Go's checksum database does not tell it. */
  readonly sum?: string;
  /** How long it may take, in words. */
  readonly takes: string;
  /** What a person can do when Go cannot bring it. */
  readonly otherwise: string;
}

/**
 * Gives the program's path.
 *
 * @throws {MissingComponentError} when the machine has no Go, or it cannot be fetched or built.
 */
export async function goProgram(wanted: GoProgram, waiting: StartOptions): Promise<string> {
  const { what, program, version, takes } = wanted;
  const folder = await cached(
    `${program}-${version}-${process.platform}-${process.arch}`,
    (into) =>
      withProgress(
        `building ${what} ${version} with Go (${takes}, once per machine)`,
        () => build(wanted, into, waiting),
        waiting,
      ),
    waiting,
  );
  return join(folder, program);
}

/** Built inside the downloaded module: only there do its own go.sum and replacements count. */
async function build(wanted: GoProgram, into: string, waiting: StartOptions): Promise<void> {
  const { what, program, module, from, ldflags, otherwise } = wanted;
  const built = await run("go", ["build", ...(ldflags ? ["-ldflags", ldflags] : []), "-o", join(into, program), from], {
    cwd: await download(wanted, into, waiting),
    signal: waiting.signal,
  });
  if (built.status !== 0)
    throw new MissingComponentError(`${what} (${module}) could not be built (${reasonIn(built.output)})`, otherwise);
}

/** @returns the module's folder. */
async function download(wanted: GoProgram, into: string, waiting: StartOptions): Promise<string> {
  const { what, module, version, sum, otherwise } = wanted;
  const downloaded = await run("go", ["mod", "download", "-json", `${module}@${version}`], {
    cwd: into,
    ...(sum ? { env: { ...process.env, GONOSUMDB: module } } : {}),
    signal: waiting.signal,
  });
  if (downloaded.status === 127)
    throw new MissingComponentError(`Go, which brings ${what}, is not on this machine`, otherwise);
  if (downloaded.status !== 0)
    throw new MissingComponentError(`${what} could not be fetched (${reasonIn(downloaded.output)})`, otherwise);
  // What Go says on the way, such as a toolchain that it fetches, stands before the answer.
  const { Dir, Sum } = JSON.parse(downloaded.output.slice(downloaded.output.indexOf("{"))) as {
    Dir: string;
    Sum: string;
  };
  if (sum && Sum !== sum)
    throw new MissingComponentError(`${what}: its checksum is ${Sum}, and should be ${sum}`, otherwise);
  return Dir;
}
