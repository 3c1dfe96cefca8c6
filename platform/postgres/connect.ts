/**
 * Connections to PostgreSQL.
 *
 * Pools run single statements only: postgres.js 3.4.9 may run the statements of a dead transaction inside another one.
 * Whatever needs a session has a dedicated connection.
 */
import postgres, { type Sql } from "postgres";
import { type Statements, statementPool } from "./client/index.ts";
import type { PoolOptions } from "./client/pool.ts";
import { parseJson } from "./parse-json.ts";

export type { Sql, Statements };

const CONNECT_TIMEOUT_S = 5;

/**
 * `types` reads JSON without a loss of digits. `fetch_types` disables the query for array types that postgres.js sends
 * on each new connection. If the connection closes during that query, the rejection is unhandled and ends the process.
 * Lists travel as JSON or as PostgreSQL's text ({@link listText}) instead.
 */
const TYPES = {
  fetch_types: false,
  types: { json: { to: 114, from: [114, 3802], serialize: JSON.stringify, parse: parseJson } },
};

/**
 * The form of values in texts and in JSON, which the source's capture pins too: a session's defaults depend on the
 * database, its user and the server's locale.
 */
const VALUE_FORMATS = {
  TimeZone: "UTC",
  DateStyle: "ISO",
  IntervalStyle: "postgres",
  extra_float_digits: "1",
  bytea_output: "hex",
  lc_monetary: "C",
};

/**
 * A list in PostgreSQL's array notation. The statement names the type: `$1::text::text[]`, or
 * `${listText(ids)}::text[]` where postgres.js asks the server for the type.
 */
export const listText = (items: readonly (string | number | boolean | null)[]): string =>
  `{${items.map((item) => (typeof item === "string" ? itemText(item) : String(item))).join(",")}}`;

/** Texts that an array's notation takes as they are: UUIDs, numbers, names of columns. */
const PLAIN_ITEM = /^(?!null$)[\w.+:-]+$/i;

const itemText = (item: string): string => (PLAIN_ITEM.test(item) ? item : `"${item.replace(/[\\"]/g, "\\$&")}"`);

/** A session that was not used for this time, in seconds, is closed. */
const IDLE_TIMEOUT_S = 60;

/** Settings of a pool. */
export interface PoolSettings {
  readonly max: number;
  /** Shown in `pg_stat_activity`. */
  readonly name: string;
  readonly statementTimeoutMs: number;
  /** A session that is older, in seconds, is replaced when it is idle. Default: sessions stay. */
  readonly maxLifetimeS?: number;
  /** Additional PostgreSQL settings of each session. */
  readonly session?: Readonly<Record<string, string>>;
}

/**
 * A pool for the statements of a service, which run often: the light client of `client/`. postgres.js runs them where
 * that client cannot connect: over TLS, through a Unix socket, or to one of several hosts.
 */
export function connectStatements(url: string, settings: PoolSettings): Statements {
  const { max, maxLifetimeS = Number.POSITIVE_INFINITY } = settings;
  return lightClient(connectPool(url, settings), {
    ...{ max, idleTimeoutMs: IDLE_TIMEOUT_S * 1_000, maxLifetimeMs: maxLifetimeS * 1_000 },
  });
}

/**
 * One session that stays open, for the statements of a process that holds a lock in it. After it has closed, statements
 * fail: another session would not have the lock.
 *
 * @param onClose as for {@link connectDedicated}.
 */
export function connectSession(url: string, name: string, onClose: () => void): Statements {
  return lightClient(connectDedicated(url, name, onClose), {
    ...{ max: 1, idleTimeoutMs: Number.POSITIVE_INFINITY, maxLifetimeMs: Number.POSITIVE_INFINITY, onClose },
  });
}

/** @param sql has not connected yet; it is returned where the light client cannot connect. */
function lightClient(sql: Sql, poolOptions: PoolOptions): Statements {
  const { options } = sql as unknown as { readonly options: ParsedOptions };
  const { host, port, path, ssl, target_session_attrs, user, pass, database, connection, parsers, serializers } =
    options;
  if (ssl || path || host.length !== 1 || target_session_attrs || typeof pass !== "string")
    return sql as unknown as Statements;
  const settings = Object.entries(connection).flatMap(([name, value]) => (value ? [[name, `${value}`]] : []));
  return statementPool(
    {
      ...{ host: host[0]!, port: port[0]!, user, password: pass, database, parsers, serializers },
      settings: Object.fromEntries(settings),
      connectTimeoutMs: CONNECT_TIMEOUT_S * 1_000,
    },
    poolOptions,
  );
}

/** What postgres.js makes of a URL, of the environment's `PG…` variables and of the options above. */
interface ParsedOptions {
  readonly host: readonly string[];
  readonly port: readonly number[];
  readonly path: string | false;
  readonly ssl: unknown;
  readonly target_session_attrs: unknown;
  readonly user: string;
  readonly pass: unknown;
  readonly database: string;
  readonly connection: Readonly<Record<string, unknown>>;
  readonly parsers: Readonly<Record<number, (text: string) => unknown>>;
  readonly serializers: Readonly<Record<number, (value: unknown) => unknown>>;
}

/** A pool for single statements, with all that postgres.js has. Never call `begin` on it. */
export function connectPool(url: string, options: PoolSettings): Sql {
  return postgres(url, {
    ...TYPES,
    max: options.max,
    connect_timeout: CONNECT_TIMEOUT_S,
    idle_timeout: IDLE_TIMEOUT_S,
    max_lifetime: options.maxLifetimeS ?? null,
    backoff: (attempt) => Math.min(0.05 * 2 ** attempt, 1),
    onnotice: () => {},
    connection: {
      ...options.session,
      application_name: options.name,
      statement_timeout: options.statementTimeoutMs,
      ...VALUE_FORMATS,
    },
  });
}

/**
 * A single connection that stays open, for locks, LISTEN and migrations.
 *
 * @param onClose called when the connection has closed. Its locks are released, and the outcome of a pending statement
 * is unknown.
 */
export function connectDedicated(url: string, name: string, onClose: () => void = () => {}): Sql {
  return postgres(url, {
    ...TYPES,
    max: 1,
    connect_timeout: CONNECT_TIMEOUT_S,
    idle_timeout: 0,
    max_lifetime: null,
    onnotice: () => {},
    onclose: onClose,
    connection: { application_name: name, ...VALUE_FORMATS },
  });
}
