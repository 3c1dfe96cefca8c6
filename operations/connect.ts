/**
 * How an operation reaches the servers: those of a stack that `bun run up` started, found in its data folder, or those that the
 * settings name. Connections are made when first asked for, and few: operations stand beside the work, not in its way.
 */
import { resolve } from "node:path";
import { Redis } from "ioredis";
import { replicaNames } from "../contracts/entities/index.ts";
import { UserError } from "../contracts/errors.ts";
import { isService } from "../contracts/services.ts";
import { connectLog, type LogOptions } from "../kafka/connect-log.ts";
import type { Log } from "../kafka/log.ts";
import { type BrokerSettings, brokerOptions } from "../kafka/security.ts";
import type { Logger } from "../observability/logger.ts";
import { connectPool, type Sql } from "../platform/postgres/connect.ts";
import type { Settings } from "../platform/settings/settings.ts";
import { readStackFile, type StackEntry } from "../platform/stack-file.ts";

/** Nobody says where a server is. */
export class ConnectionError extends UserError {
  constructor(message: string, options?: ErrorOptions) {
    super(message, "CANNOT_CONNECT", options);
  }
}

export interface Addresses {
  readonly source: string;
  readonly replicas: ReadonlyMap<string, string>;
  readonly redis: string | undefined;
  readonly brokers: readonly string[];
  /** How they are spoken to. */
  readonly security: NonNullable<LogOptions["security"]>;
  /** Those whose health can be asked for. */
  readonly services: readonly StackEntry[];
}

type FromSettings = Pick<
  Settings,
  "LOCKSTEP_SOURCE_DATABASE_URL" | "LOCKSTEP_REPLICA_DATABASE_URLS" | "LOCKSTEP_SERVICE_URLS" | "REDIS_URL"
> &
  BrokerSettings;

/**
 * Where everything is.
 *
 * @param data folder of a stack. It is asked first, unless the settings name a source.
 * @throws {ConnectionError} when neither tells.
 */
export function resolveAddresses(settings: FromSettings, data: string): Addresses {
  const source = settings.LOCKSTEP_SOURCE_DATABASE_URL;
  if (source !== undefined)
    return {
      source,
      replicas: new Map(settings.LOCKSTEP_REPLICA_DATABASE_URLS ?? []),
      redis: settings.REDIS_URL,
      ...brokerOptions(settings),
      services: servicesOf(settings.LOCKSTEP_SERVICE_URLS ?? []),
    };
  const entries = readStackFile(resolve(data))?.entries;
  if (!entries)
    throw new ConnectionError(
      `no stack runs on ${data}: start one with bun run up, name its folder with --data, or set LOCKSTEP_SOURCE_DATABASE_URL`,
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

/** Those of one name are its instances, in their order. */
const servicesOf = (urls: readonly (readonly [name: string, url: string])[]): StackEntry[] =>
  urls.map(([name, url], i) => ({
    name,
    kind: name,
    instance: urls.slice(0, i + 1).filter(([other]) => other === name).length,
    url,
  }));

/** Connections of one operation to each database. */
const CONNECTIONS = 2;
/** A range of a table is hashed in one statement. */
const STATEMENT_MS = 60_000;

/** Connections to what {@link Addresses} names, made when first asked for and shared; all end with this. */
export class Connections implements AsyncDisposable {
  private readonly pools = new Map<string, Sql>();
  private connected: Promise<Log> | undefined;

  constructor(
    readonly addresses: Addresses,
    private readonly logger: Logger,
  ) {}

  /** The source's database. */
  source(): Sql {
    return this.pool("the source", this.addresses.source);
  }

  /** A replica's database. @throws {ConnectionError} when nobody says where it is. */
  replica(name: string): Sql {
    const url = this.addresses.replicas.get(name);
    if (url === undefined)
      throw new ConnectionError(`LOCKSTEP_REPLICA_DATABASE_URLS does not say where the database of ${name} is`);
    return this.pool(`replica ${name}`, url);
  }

  /** @throws {Error} when no broker answers. */
  log(): Promise<Log> {
    const { brokers, security } = this.addresses;
    const clientId = "lockstep-operations";
    this.connected ??= connectLog({ brokers, security, clientId, logger: this.logger }).catch((error) => {
      this.connected = undefined; // the next to ask tries again
      throw error;
    });
    return this.connected;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.pools.values()].map((sql) => sql.end({ timeout: 1 })));
    await this.connected?.then((log) => log.close()).catch(() => {});
  }

  private pool(whose: string, url: string): Sql {
    if (url === "") throw new ConnectionError(`the database of ${whose} is not started yet`);
    let sql = this.pools.get(url);
    if (!sql) {
      sql = connectPool(url, { max: CONNECTIONS, name: "lockstep-operations", statementTimeoutMs: STATEMENT_MS });
      this.pools.set(url, sql);
    }
    return sql;
  }
}

/** The caches, for who asks for it to end: undefined where there is none. One that does not answer makes commands fail soon, instead of queueing them. */
export function connectRedis(url: string | undefined): Redis | undefined {
  if (url === undefined) return undefined;
  const redis = new Redis(url, { maxRetriesPerRequest: 1, connectTimeout: 5_000, commandTimeout: 10_000 });
  redis.on("error", () => {}); // the command that fails tells
  return redis;
}
