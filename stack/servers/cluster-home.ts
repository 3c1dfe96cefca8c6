/** Where a PostgreSQL cluster lies: in the stack's data folder, or, when the database's user cannot get there, beside it all. */
import { randomUUID } from "node:crypto";
import { chmodSync, existsSync, lstatSync, mkdirSync, readlinkSync, rmSync, statSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { run } from "./run-command.ts";
import { printProgress, type StartOptions } from "./server.ts";
import type { DatabaseUser } from "./user.ts";

/** Where root keeps what another user must reach, when a clone lies in a folder that others cannot enter (such as /root). */
export const SHARED_FOLDER = "/var/lib/lockstep";

/**
 * Gives the folder in which `user` can reach a cluster's data: `dir` itself, or a folder under `SHARED_FOLDER` that
 * `dir/data` then points to.
 */
export async function clusterHome(dir: string, user: DatabaseUser | undefined, options: StartOptions): Promise<string> {
  mkdirSync(dir, { recursive: true });
  if (!user) return dir;
  const link = join(dir, "data");
  if (isLink(link) && existsSync(dirname(readlinkSync(link)))) return dirname(readlinkSync(link));
  chmodSync(dir, 0o711);
  if ((await canAccess(dir, user)) || (await allowTraversal(dirname(dir), dir, user))) return dir;

  // No name made from `dir`: a clone that is moved takes its link, and so its data, along.
  const home = join(SHARED_FOLDER, `data-${randomUUID()}`);
  printProgress(options, `${user.name} cannot enter ${dir}: PostgreSQL's data lies in ${home}`);
  mkdirSync(home, { recursive: true, mode: 0o711 });
  if (isLink(link)) rmSync(link);
  // It was made when this folder could still be entered.
  else if (existsSync(link)) await run("mv", [link, join(home, "data")]);
  symlinkSync(join(home, "data"), link);
  return home;
}

/** Removes a cluster and all that `clusterHome` made for it. Harmless when there is none. */
export function removeCluster(dir: string): void {
  const link = join(dir, "data");
  if (isLink(link)) rmSync(dirname(readlinkSync(link)), { recursive: true, force: true });
  rmSync(dir, { recursive: true, force: true });
}

/**
 * Lets others pass through a folder of ours that nobody else may enter, such as one from `mktemp -d`, if that is all that
 * keeps `user` from `dir`. They see no name in it, and each thing that the stack keeps there has a mode of its own.
 */
async function allowTraversal(folder: string, dir: string, user: DatabaseUser): Promise<boolean> {
  const { mode, uid } = statSync(folder);
  const closed = uid === process.getuid?.() && (mode & 0o001) === 0;
  if (closed) chmodSync(folder, mode | 0o001);
  // Asked in any case: the folder's other clusters, started at the same time, may have opened it just now.
  if (await canAccess(dir, user)) return true;
  if (closed) chmodSync(folder, mode);
  return false;
}

const isLink = (path: string): boolean => lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ?? false;

/** Asks the system itself, as that user: modes, groups, ACLs and mounts all count. */
const canAccess = async (dir: string, user: DatabaseUser): Promise<boolean> =>
  (await run("ls", ["-d", join(dir, ".")], { cwd: "/", uid: user.uid, gid: user.gid })).status === 0;
