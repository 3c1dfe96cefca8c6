/** The folder of a PostgreSQL cluster: in the data folder, or elsewhere when PostgreSQL's user has no access to it. */
import { randomUUID } from "node:crypto";
import { chmodSync, existsSync, lstatSync, mkdirSync, readlinkSync, rmSync, statSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { run } from "./run-command.ts";
import { printProgress, type StartOptions } from "./server.ts";
import type { DatabaseUser } from "./user.ts";

/** Folder for data of other users when root's clone is in a folder that they cannot enter, such as /root. */
export const SHARED_FOLDER = "/var/lib/lockstep";

/**
 * A folder for the cluster that `user` has access to: `dir` itself, or a folder under {@link SHARED_FOLDER}. In the
 * second case `dir/data` is a link to its data.
 */
export async function clusterHome(dir: string, user: DatabaseUser | undefined, options: StartOptions): Promise<string> {
  mkdirSync(dir, { recursive: true });
  if (!user) return dir;
  const link = join(dir, "data");
  if (isLink(link) && existsSync(dirname(readlinkSync(link)))) return dirname(readlinkSync(link));
  chmodSync(dir, 0o711);
  if ((await canAccess(dir, user)) || (await allowTraversal(dirname(dir), dir, user))) return dir;

  // A random name, not one derived from `dir`: when a clone is moved, its link still points to its data.
  const home = join(SHARED_FOLDER, `data-${randomUUID()}`);
  printProgress(options, `${user.name} has no access to ${dir}: PostgreSQL stores its data in ${home}`);
  mkdirSync(home, { recursive: true, mode: 0o711 });
  if (isLink(link)) rmSync(link);
  // The data was created when `user` still had access to this folder.
  else if (existsSync(link)) await run("mv", [link, join(home, "data")]);
  symlinkSync(join(home, "data"), link);
  return home;
}

/** Removes a cluster and everything that {@link clusterHome} created for it. Does nothing when there is none. */
export function removeCluster(dir: string): void {
  const link = join(dir, "data");
  if (isLink(link)) rmSync(dirname(readlinkSync(link)), { recursive: true, force: true });
  rmSync(dir, { recursive: true, force: true });
}

/**
 * Makes our own `folder` traversable for other users, if that alone gives `user` access to `dir`. A folder of `mktemp
 * -d` for example is not traversable. Others still cannot list the folder, and each file in it has its own mode.
 *
 * @returns true when `user` has access.
 */
async function allowTraversal(folder: string, dir: string, user: DatabaseUser): Promise<boolean> {
  const { mode, uid } = statSync(folder);
  const isClosed = uid === process.getuid?.() && (mode & 0o001) === 0;
  if (isClosed) chmodSync(folder, mode | 0o001);
  // Checked in any case: another cluster of the folder, started at the same time, may have changed the mode.
  if (await canAccess(dir, user)) return true;
  if (isClosed) chmodSync(folder, mode);
  return false;
}

const isLink = (path: string): boolean => lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ?? false;

/** Runs `ls` as that user, so that modes, groups, ACLs and mounts all count. */
const canAccess = async (dir: string, user: DatabaseUser): Promise<boolean> =>
  (await run("ls", ["-d", join(dir, ".")], { cwd: "/", uid: user.uid, gid: user.gid })).status === 0;
