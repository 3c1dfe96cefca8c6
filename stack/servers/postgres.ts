/** An embedded PostgreSQL 18 cluster. Each database owner has its own, as in production. */
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

/** Where and how to start a cluster. */
export interface PostgresOptions extends StartOptions {
  /** Name in messages. */
  readonly name: string;
  /** Folder of the cluster: password, log and data. Created when it is missing. */
  readonly dir: string;
  readonly port: number;
  /** Database that is created with the cluster. The server's `url` names it. */
  readonly database: string;
  /** PostgreSQL settings that override the defaults below. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Role that owns everything. Default: `lockstep`. */
  readonly superuser?: string;
}

const settingsOf = ({ port, settings }: PostgresOptions): readonly string[] =>
  Object.entries({
    port,
    listen_addresses: "127.0.0.1",
    unix_socket_directories: "",
    max_connections: 100,
    shared_buffers: "96MB",
    // Needed to measure latency from commit to commit.
    track_commit_timestamp: "on",
    log_line_prefix: "%m [%p] %a ",
    // The default is 1 GB; the small writes on a laptop do not need it.
    max_wal_size: "512MB",
    ...settings,
  }).flatMap(([name, value]) => ["-c", `${name}=${value}`]);

/**
 * Starts the cluster in `dir`, and creates it first when there is none. The password is stored, so the URL is the same
 * at each start.
 *
 * @throws {MissingComponentError} when this machine cannot run PostgreSQL.
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
    // Fast shutdown: ends all sessions and writes a checkpoint.
    cleanSignal: "SIGINT",
    graceMs: 15_000,
  });
  return waitUntilAnswering(server, () => probePostgres(server.url), { timeoutMs: 60_000, logFile, options });
}

/** Without the caller's environment: its PGDATA, PGPORT or locale would change the server. */
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

/** Creates the cluster in a draft folder and renames it at the end: an incomplete cluster is never used. */
async function initialize({ home, binaries, user, superuser, password, database }: NewCluster): Promise<void> {
  const runOptions = { cwd: "/", env: environment, ...(user && { uid: user.uid, gid: user.gid }) };
  const draft = join(home, "draft");
  const passwordFile = join(home, "draft-password");
  rmSync(draft, { recursive: true, force: true });
  mkdirSync(draft, { mode: 0o700 });
  writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 });
  if (user) for (const path of [draft, passwordFile]) chownSync(path, user.uid, user.gid);
  const step = async (what: string, program: string, args: readonly string[], input?: string) => {
    const { status, output } = await run(join(binaries, "bin", program), args, {
      ...runOptions,
      ...(input && { input }),
    });
    if (status !== 0) throw new UserError(`${what} failed: ${errorLineOf(output)}`);
  };
  try {
    await step("creating a PostgreSQL cluster", "initdb", [
      ...["-D", draft, "-U", superuser, `--pwfile=${passwordFile}`, "--auth=scram-sha-256", "--encoding=UTF8"],
      // The same sort order and case rules on every machine, independent of its locales.
      ...["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"],
    ]);
    await step(
      "creating a database",
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
 * Removes a pid file whose process is not PostgreSQL. After kill -9 the file remains. PostgreSQL ignores it when the
 * process is gone, but refuses to start when another program has the same pid, which happens soon in a container.
 */
function removeStalePidFile(data: string): void {
  const file = join(data, "postmaster.pid");
  if (!existsSync(file)) return;
  const command = commandOf(Number(readFileSync(file, "utf8").split("\n")[0]));
  if (command !== "" && !command.includes("postgres")) rmSync(file);
}
