/** Programs that Go builds from their module, once per machine. */
import { join } from "node:path";
import { cached, MissingComponentError, withProgress } from "./machine-cache.ts";
import { errorLineOf, run } from "./run-command.ts";
import type { StartOptions } from "./server.ts";

/** A program to build. */
export interface GoProgram {
  /** Name for messages. */
  readonly what: string;
  /** File name of the program. */
  readonly program: string;
  readonly module: string;
  readonly version: string;
  /** Path of the package to build, relative to the module. */
  readonly packagePath: string;
  readonly ldflags?: string;
  /** Checksum of the module, when Go's checksum database does not have it. */
  readonly sum?: string;
  /** How long the build may take, for messages. */
  readonly duration: string;
  /** What to do when Go cannot build it. */
  readonly remedy: string;
}

/**
 * The path of the program. Builds it when the machine's cache does not have it.
 *
 * @throws {MissingComponentError} when the machine has no Go, or the module cannot be fetched or built.
 */
export async function goProgram(source: GoProgram, options: StartOptions): Promise<string> {
  const { what, program, version, duration } = source;
  const folder = await cached(
    `${program}-${version}-${process.platform}-${process.arch}`,
    (target) =>
      withProgress(
        `building ${what} ${version} with Go (${duration}, once per machine)`,
        () => build(source, target, options),
        options,
      ),
    options,
  );
  return join(folder, program);
}

/** Builds inside the downloaded module: its go.sum and replace directives apply only there. */
async function build(source: GoProgram, target: string, { signal }: StartOptions): Promise<void> {
  const { what, program, module, packagePath, ldflags, remedy } = source;
  const flags = ldflags ? ["-ldflags", ldflags] : [];
  const cwd = await download(source, target, signal);
  const built = await run("go", ["build", ...flags, "-o", join(target, program), packagePath], { cwd, signal });
  if (built.status !== 0)
    throw new MissingComponentError(`${what} (${module}) could not be built (${errorLineOf(built.output)})`, remedy);
}

/** @returns the folder of the module. */
async function download(source: GoProgram, target: string, signal: AbortSignal | undefined): Promise<string> {
  const { what, module, version, sum, remedy } = source;
  const downloaded = await run("go", ["mod", "download", "-json", `${module}@${version}`], {
    cwd: target,
    ...(sum ? { env: { ...process.env, GONOSUMDB: module } } : {}),
    signal,
  });
  if (downloaded.status === 127)
    throw new MissingComponentError(`Go, which builds ${what}, is not on this machine`, remedy);
  if (downloaded.status !== 0)
    throw new MissingComponentError(`${what} could not be fetched (${errorLineOf(downloaded.output)})`, remedy);
  // Go prints its progress, such as the download of a toolchain, before the JSON.
  const { Dir, Sum } = JSON.parse(downloaded.output.slice(downloaded.output.indexOf("{"))) as {
    Dir: string;
    Sum: string;
  };
  if (sum && Sum !== sum)
    throw new MissingComponentError(`${what}: the module's checksum is ${Sum}, expected ${sum}`, remedy);
  return Dir;
}
