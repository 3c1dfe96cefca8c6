/** PostgreSQL does not run as root. When this process runs as root, PostgreSQL runs as another user of the machine. */
import { MissingComponentError } from "./machine-cache.ts";
import { run } from "./run-command.ts";

/** A user of the machine. */
export interface DatabaseUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/**
 * The user that PostgreSQL runs as; undefined for the current user.
 *
 * @throws {MissingComponentError} when this process runs as root and the machine has neither `postgres` nor `nobody`.
 */
export async function databaseUser(): Promise<DatabaseUser | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  for (const name of ["postgres", "nobody"]) {
    const [uid, gid] = await Promise.all([run("id", ["-u", name]), run("id", ["-g", name])]);
    if (uid.status === 0 && gid.status === 0) return { name, uid: Number(uid.output), gid: Number(gid.output) };
  }
  throw new MissingComponentError("PostgreSQL does not run as root", "create a user for it: useradd --system postgres");
}
