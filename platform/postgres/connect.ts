/**
 * Connections to PostgreSQL.
 *
 * Pools run single statements only: postgres.js 3.4.9 may run the statements of a dead transaction inside another one.
 * Whatever needs a session has a dedicated connection.
 */
import postgres, { type Sql } from "postgres";
import { parseJson } from "./parse-json.ts";

export type { Sql };

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

/** Settings of a pool. */
interface PoolSettings {
  readonly max: number;
  /** Shown in `pg_stat_activity`. */
  readonly name: string;
  readonly statementTimeoutMs: number;
  /** A session that is older, in seconds, is replaced when it is idle. Default: sessions stay. */
  readonly maxLifetimeS?: number;
  /** Additional PostgreSQL settings of each session. */
  readonly session?: Readonly<Record<string, string>>;
}

/** A pool for single statements. Never call `begin` on it. */
export function connectPool(url: string, options: PoolSettings): Sql {
  return postgres(url, {
    ...TYPES,
    max: options.max,
    connect_timeout: CONNECT_TIMEOUT_S,
    idle_timeout: 60,
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
