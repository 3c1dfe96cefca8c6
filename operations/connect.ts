/**
 * How an operation reaches the servers: those of a stack that `bun run up` started, or those that the settings name.
 * Connections are opened on first use. They are few, so that operations leave the servers' capacity to the services.
 */
import { resolve } from "node:path";
import { Redis } from "ioredis";
import { UserError } from "../contracts/errors.ts";
import type { Project } from "../contracts/project.ts";
import { isService } from "../contracts/services.ts";
import { connectLog, type LogOptions } from "../kafka/connect-log.ts";
import type { Log } from "../kafka/log.ts";
import { type BrokerSettings, brokerOptions } from "../kafka/security.ts";
import type { Logger } from "../observability/logger.ts";
import { connectPool, type Sql } from "../platform/postgres/connect.ts";
import type { Settings } from "../platform/settings/settings.ts";
import { readStackFile, type StackEntry } from "../platform/stack-file.ts";

/** The address of a server is not known, or the log rejects an operation's writer. The message says what to do. */
export class ConnectionError extends UserError {
  constructor(message: string, options?: ErrorOptions) {
    super(message, "CANNOT_CONNECT", options);
  }
}

/** The address of every server that operations use. URLs may hold passwords. */
export interface Addresses {
  /** URL of the source's database; empty while the stack has not started it. */
  readonly source: string;
  /** URL of each replica's database, by the replica's name. */
  readonly replicas: ReadonlyMap<string, string>;
  /** Undefined: there is no cache. */
  readonly redis: string | undefined;
  readonly brokers: readonly string[];
  /** TLS and authentication at the brokers. */
  readonly security: NonNullable<LogOptions["security"]>;
  /** The services that have a health endpoint. */
  readonly services: readonly StackEntry[];
}

type FromSettings = Pick<
  Settings,
  "LOCKSTEP_SOURCE_DATABASE_URL" | "LOCKSTEP_REPLICA_DATABASE_URLS" | "LOCKSTEP_SERVICE_URLS" | "REDIS_URL"
> &
  BrokerSettings;

/**
 * Finds the address of every server: from the settings when they name a source, else from the stack's data folder.
 *
 * @param data the stack's data folder.
 * @throws {ConnectionError} when the settings name no source and no stack runs on `data`.
 */
export function resolveAddresses(
  settings: FromSettings,
  data: string,
  { replicaNames }: Pick<Project, "replicaNames">,
): Addresses {
  const source = settings.LOCKSTEP_SOURCE_DATABASE_URL;
  if (source !== undefined)
    return {
      source,
      replicas: new Map(settings.LOCKSTEP_REPLICA_DATABASE_URLS ?? []),
      redis: settings.REDIS_URL,
      ...brokerOptions(settings),
      services: serviceEntries(settings.LOCKSTEP_SERVICE_URLS ?? []),
    };
  const entries = readStackFile(resolve(data))?.entries;
  if (!entries)
    throw new ConnectionError(
      `no stack runs on ${data}: start one with bun run up, pass its folder with --data, ` +
        "or set LOCKSTEP_SOURCE_DATABASE_URL",
    );
  const urlOf = (name: string) => entries.find((entry) => entry.name === name)?.url ?? "";
  return {
    source: urlOf("gateway-db"),
    replicas: new Map(replicaNames.map((name) => [name, urlOf(`${name}-db`)])),
    redis: urlOf("redis") || undefined,
    ...brokerOptions(settings),
    brokers: entries.filter(({ kind }) => kind === "broker").map(({ url }) => url),
    services: entries.filter(isService),
  };
}

/** Entries with the same name are instances of one service, numbered in their order from 1. */
const serviceEntries = (urls: readonly (readonly [name: string, url: string])[]): StackEntry[] =>
  urls.map(([name, url], i) => ({
    name,
    kind: name,
    instance: urls.slice(0, i + 1).filter(([other]) => other === name).length,
    url,
  }));

/** Connections of one operation to each database. */
const MAX_CONNECTIONS = 2;
/** Long enough to hash a range of a table in one statement. */
const STATEMENT_TIMEOUT_MS = 60_000;
/** A session keeps the `default_transaction_read_only` of its start. The console would keep it for ever. */
const MAX_LIFETIME_S = 10;

/** Connections to the servers of {@link Addresses}: opened on first use, shared, and closed by disposal. */
export class Connections implements AsyncDisposable {
  private readonly pools = new Map<string, Sql>();
  private logConnection: Promise<Log> | undefined;
  /** Set once the connection is established. */
  private connectedLog: Log | undefined;

  constructor(
    readonly addresses: Addresses,
    private readonly logger: Logger,
  ) {}

  /** The source's database. @throws {ConnectionError} when the stack has not started it yet. */
  source(): Sql {
    return this.pool("the source", this.addresses.source);
  }

  /**
   * A replica's database.
   *
   * @throws {ConnectionError} when its address is not known, or the stack has not started it yet.
   */
  replica(name: string): Sql {
    const url = this.addresses.replicas.get(name);
    if (url === undefined)
      throw new ConnectionError(`LOCKSTEP_REPLICA_DATABASE_URLS has no entry for ${name}: add ${name}=postgres://…`);
    return this.pool(`replica ${name}`, url);
  }

  /** The log. @throws {Error} when no broker is available; the next call tries again. */
  log(): Promise<Log> {
    const { brokers, security } = this.addresses;
    const clientId = "lockstep-operations";
    this.logConnection ??= connectLog({ brokers, security, clientId, logger: this.logger }).then(
      (log) => {
        this.connectedLog = log;
        return log;
      },
      (error) => {
        this.logConnection = undefined;
        throw error;
      },
    );
    return this.logConnection;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.pools.values()].map((sql) => sql.end({ timeout: 1 })));
    // A connection that is still being attempted is not waited for: brokers that hang would delay the end by 20 s.
    await this.connectedLog?.close().catch(() => {});
  }

  private pool(owner: string, url: string): Sql {
    if (url === "") throw new ConnectionError(`the database of ${owner} has not started yet: see bun run status`);
    let sql = this.pools.get(url);
    if (!sql) {
      sql = connectPool(url, {
        max: MAX_CONNECTIONS,
        name: "lockstep-operations",
        statementTimeoutMs: STATEMENT_TIMEOUT_MS,
        maxLifetimeS: MAX_LIFETIME_S,
      });
      this.pools.set(url, sql);
    }
    return sql;
  }
}

/**
 * Connects to Redis. The caller disconnects. While Redis is unavailable, commands fail within 10 s instead of queueing.
 *
 * @returns undefined when `url` is undefined: there is no cache.
 */
export function connectRedis(url: string | undefined): Redis | undefined {
  if (url === undefined) return undefined;
  const redis = new Redis(url, { maxRetriesPerRequest: 1, connectTimeout: 5_000, commandTimeout: 10_000 });
  redis.on("error", () => {}); // each command that fails rejects with the error
  return redis;
}
