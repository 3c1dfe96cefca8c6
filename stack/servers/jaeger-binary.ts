/** The Jaeger program: the machine's own, or built by Go from its module. */
import { goProgram } from "./go-program.ts";
import { run } from "./run-command.ts";
import type { StartOptions } from "./server.ts";

/** The module path of Jaeger 2 has no `/v2`, so Go knows its releases as v1.x. The program is Jaeger 2. */
const MODULE = "github.com/jaegertracing/jaeger";
const VERSION = "v1.76.0";

/**
 * The path of a `jaeger` program of version 2.
 *
 * @throws {MissingComponentError} when the machine has neither the program nor Go, or the build fails.
 */
export async function jaegerBinary(options: StartOptions): Promise<string> {
  // Version 1 consists of programs with other names and has no `components` command.
  if ((await run("jaeger", ["components"])).status === 0) return "jaeger";
  const source = {
    what: "Jaeger",
    program: "jaeger",
    module: MODULE,
    version: VERSION,
    packagePath: "./cmd/jaeger",
    ldflags: `-s -w -X ${MODULE}/internal/version.latestVersion=${VERSION}`,
    duration: "up to 5 min",
    remedy: "install Go 1.24 or newer (https://go.dev/doc/install), or put a jaeger binary of version 2 on the PATH",
  };
  return goProgram(source, options);
}
