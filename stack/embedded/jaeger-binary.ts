/** The Jaeger program: the machine's own, else built by Go from its module, once per machine. */
import { join } from "node:path";
import { cached, MissingComponentError, reasonIn, run, withProgress } from "./machine-cache.ts";
import type { Waiting } from "./server.ts";

/** Jaeger 2's module path has no `/v2`, so to Go its releases are still called v1.x; the binary is Jaeger 2. */
const MODULE = "github.com/jaegertracing/jaeger";
const VERSION = "v1.76.0";
const OTHERWISE =
  "install Go 1.24 or newer (https://go.dev/doc/install), or put a jaeger binary of version 2 on the PATH";

/**
 * Gives the path of a `jaeger` program of version 2.
 *
 * @throws {MissingComponentError} when the machine has neither it nor Go, or it cannot be built.
 */
export async function jaegerBinary(waiting: Waiting): Promise<string> {
  // Version 1 has no such command: it took its parts as programs of other names.
  if ((await run("jaeger", ["components"])).status === 0) return "jaeger";
  const folder = await cached(`jaeger-${VERSION}-${process.platform}-${process.arch}`, (into) =>
    withProgress(
      `building Jaeger ${VERSION} with Go (up to 5 min, once per machine)`,
      () => build(into, waiting),
      waiting,
    ),
  );
  return join(folder, "jaeger");
}

/** Built inside the downloaded module: only there do its own go.sum and replacements count. */
async function build(into: string, waiting: Waiting): Promise<void> {
  const downloaded = await run("go", ["mod", "download", "-json", `${MODULE}@${VERSION}`], {
    cwd: into,
    signal: waiting.signal,
  });
  if (downloaded.status === 127)
    throw new MissingComponentError("Go, which brings Jaeger, is not on this machine", OTHERWISE);
  if (downloaded.status !== 0)
    throw new MissingComponentError(`Jaeger could not be fetched (${reasonIn(downloaded.output)})`, OTHERWISE);
  // What Go says on the way, such as a toolchain that it fetches, stands before the answer.
  const { Dir } = JSON.parse(downloaded.output.slice(downloaded.output.indexOf("{"))) as { Dir: string };
  const version = `-X ${MODULE}/internal/version.latestVersion=${VERSION}`;
  const built = await run("go", ["build", "-ldflags", `-s -w ${version}`, "-o", join(into, "jaeger"), "./cmd/jaeger"], {
    cwd: Dir,
    signal: waiting.signal,
  });
  if (built.status !== 0)
    throw new MissingComponentError(`Jaeger could not be built (${reasonIn(built.output)})`, OTHERWISE);
}
