/** A PostgreSQL 18 cluster of its own: one per database owner, as in production. */
import { randomBytes } from "node:crypto";
import { chownSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { UserError } from "../../contracts/errors.ts";
import { commandOf } from "../processes.ts";
import { clusterHome } from "./cluster-home.ts";
import { postgresBinaries } from "./postgres-binaries.ts";
import { probePostgres } from "./probes.ts";
import { errorLineOf, run } from "./run-command.ts";
import { launch, type Server, type StartOptions, waitUntilAnswering } from "./server.ts";
import { type DatabaseUser, databaseUser } from "./user.ts";

export interface PostgresOptions extends StartOptions {
  readonly name: string;
  /** Folder of the cluster: password, log and data. Made when it is not there. */
  readonly dir: string;
  readonly port: number;
  /** Database that is made with the cluster, and that `url` names. */
  readonly database: string;
  /** Settings of PostgreSQL beyond the usual ones. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Role that owns everything; default `lockstep`. */
  readonly superuser?: string;
}

const settingsOf = ({ port, settings }: PostgresOptions): readonly string[] =>
  Object.entries({
    port,
    listen_addresses: "127.0.0.1",
    unix_socket_directories: "",
    max_connections: 100,
    shared_buffers: "96MB",
    // Anyone can measure commit to commit.
    track_commit_timestamp: "on",
    log_line_prefix: "%m [%p] %a ",
    // The tests and the canary write small changes; a full WAL of 1 GB on a laptop helps nobody.
    max_wal_size: "512MB",
    ...settings,
  }).flatMap(([name, value]) => ["-c", `${name}=${value}`]);

/**
 * Starts the cluster in `dir`, making it first if there is none. The password is kept, so the URL stays the same over restarts.
 *
 * @throws {MissingComponentError} when PostgreSQL cannot be had on this machine.
 * @throws {UserError} with the log's last lines when it does not start.
 */
export async function startPostgres(options: PostgresOptions): Promise<Server> {
  const { name, port, database, superuser = "lockstep" } = options;
  const dir = resolve(options.dir);
  mkdirSync(dir, { recursive: true });
  const user = await databaseUser();
  const binaries = await postgresBinaries(user, options);
  const password = readOrCreatePassword(join(dir, "password"));
  const home = await clusterHome(dir, user, options);
  const data = join(home, "data");
  if (!existsSync(data)) await initialize({ home, binaries, user, superuser, password, database });
  removeStalePidFile(data);

  const logFile = join(dir, "postgres.log");
  const server = launch({
    name,
    kind: "postgres",
    url: `postgres://${superuser}:${password}@127.0.0.1:${port}/${database}`,
    port,
    command: join(binaries, "bin/postgres"),
    args: ["-D", data, ...settingsOf(options)],
    env: environment,
    cwd: "/",
    user: user && { uid: user.uid, gid: user.gid },
    logFile,
    // Fast shutdown: ends sessions, writes a checkpoint.
    cleanSignal: "SIGINT",
    graceMs: 15_000,
  });
  return waitUntilAnswering(server, () => probePostgres(server.url), { timeoutMs: 60_000, logFile, options: options });
}

/** Nothing of ours, so that PGDATA, PGPORT or a locale of the caller change nothing. */
const environment = { PATH: process.env.PATH ?? "/usr/bin:/bin", LC_ALL: "C", TZ: "UTC" };

function readOrCreatePassword(file: string): string {
  if (existsSync(file)) return readFileSync(file, "utf8").trim();
  const password = randomBytes(18).toString("base64url");
  writeFileSync(file, `${password}\n`, { mode: 0o600 });
  return password;
}

interface NewCluster {
  readonly home: string;
  readonly binaries: string;
  readonly user: DatabaseUser | undefined;
  readonly superuser: string;
  readonly password: string;
  readonly database: string;
}

/** Made beside and moved at the end: a cluster that was half made when someone pulled the plug never looks whole. */
async function initialize({ home, binaries, user, superuser, password, database }: NewCluster): Promise<void> {
  const as = { cwd: "/", env: environment, ...(user && { uid: user.uid, gid: user.gid }) };
  const draft = join(home, "draft");
  const passwordFile = join(home, "draft-password");
  rmSync(draft, { recursive: true, force: true });
  mkdirSync(draft, { mode: 0o700 });
  writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 });
  if (user) for (const path of [draft, passwordFile]) chownSync(path, user.uid, user.gid);
  const step = async (what: string, program: string, args: readonly string[], input?: string) => {
    const { status, output } = await run(join(binaries, "bin", program), args, { ...as, ...(input && { input }) });
    if (status !== 0) throw new UserError(`${what} failed: ${errorLineOf(output)}`);
  };
  try {
    await step("making a PostgreSQL cluster", "initdb", [
      ...["-D", draft, "-U", superuser, `--pwfile=${passwordFile}`, "--auth=scram-sha-256", "--encoding=UTF8"],
      // The same order and case rules on every machine, whatever its locales are.
      ...["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"],
    ]);
    await step(
      "making a database",
      "postgres",
      ["--single", "-D", draft, "postgres"],
      `create database "${database}"\n`,
    );
  } finally {
    rmSync(passwordFile, { force: true });
  }
  renameSync(draft, join(home, "data"));
}

/**
 * After kill -9 PostgreSQL's pid file stays. PostgreSQL itself sees when that process is gone, but not when another program
 * got its number, as happens soon in a container: then it would refuse to start for ever.
 */
function removeStalePidFile(data: string): void {
  const file = join(data, "postmaster.pid");
  if (!existsSync(file)) return;
  const command = commandOf(Number(readFileSync(file, "utf8").split("\n")[0]));
  if (command !== "" && !command.includes("postgres")) rmSync(file);
}
