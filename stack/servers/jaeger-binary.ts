/** The Jaeger program: the machine's own, else built by Go from its module. */
import { goProgram } from "./go-program.ts";
import { run } from "./machine-cache.ts";
import type { StartOptions } from "./server.ts";

/** Jaeger 2's module path has no `/v2`, so to Go its releases are still called v1.x; the binary is Jaeger 2. */
const MODULE = "github.com/jaegertracing/jaeger";
const VERSION = "v1.76.0";

/**
 * Gives the path of a `jaeger` program of version 2.
 *
 * @throws {MissingComponentError} when the machine has neither it nor Go, or it cannot be built.
 */
export async function jaegerBinary(waiting: StartOptions): Promise<string> {
  // Version 1 has no such command: it took its parts as programs of other names.
  if ((await run("jaeger", ["components"])).status === 0) return "jaeger";
  const wanted = {
    what: "Jaeger",
    program: "jaeger",
    module: MODULE,
    version: VERSION,
    from: "./cmd/jaeger",
    ldflags: `-s -w -X ${MODULE}/internal/version.latestVersion=${VERSION}`,
    takes: "up to 5 min",
    otherwise: "install Go 1.24 or newer (https://go.dev/doc/install), or put a jaeger binary of version 2 on the PATH",
  };
  return goProgram(wanted, waiting);
}
