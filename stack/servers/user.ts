/** PostgreSQL refuses to run as root: when we are root, it runs as another user of the machine. */
import { MissingComponentError, run } from "./machine-cache.ts";

export interface User {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/**
 * The user that PostgreSQL runs as; undefined when that is who we are already.
 *
 * @throws {MissingComponentError} when we are root and the machine has neither `postgres` nor `nobody`.
 */
export async function databaseUser(): Promise<User | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  for (const name of ["postgres", "nobody"]) {
    const [uid, gid] = await Promise.all([run("id", ["-u", name]), run("id", ["-g", name])]);
    if (uid.status === 0 && gid.status === 0) return { name, uid: Number(uid.output), gid: Number(gid.output) };
  }
  throw new MissingComponentError("PostgreSQL does not run as root", "create a user for it: useradd --system postgres");
}
