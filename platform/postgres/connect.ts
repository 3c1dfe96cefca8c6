/**
 * Connections to PostgreSQL, as postgres.js 3.4.9 can be trusted with: pools run single statements only, since it may run the
 * statements of a dead transaction inside another one; whatever needs a session has a connection of its own.
 */
import postgres, { type Sql } from "postgres";

export type { Sql };

const CONNECT_TIMEOUT_S = 5;

/**
 * Without the question for array types that postgres.js asks on each new connection: when the connection ends meanwhile, its
 * failure is in nobody's hands and ends the process. Lists are handed over as JSON or as PostgreSQL's text instead.
 */
const TYPES = { fetch_types: false };

/**
 * A list as PostgreSQL writes an array, of what needs no quotes there: ids, numbers, truth values, names of columns.
 * The statement says of what: `$1::text::uuid[]`, or `${listText(ids)}::uuid[]` where postgres.js asks the server for the type.
 */
export const listText = (items: readonly (string | number | boolean | null)[]): string =>
  `{${items.map(String).join(",")}}`;

/** A pool for single statements. Never use `begin` on it. */
export function connectPool(
  url: string,
  options: {
    readonly max: number;
    /** Shown in `pg_stat_activity`. */
    readonly name: string;
    readonly statementTimeoutMs: number;
    /** More of PostgreSQL's settings for each session. */
    readonly session?: Readonly<Record<string, string>>;
  },
): Sql {
  return postgres(url, {
    ...TYPES,
    max: options.max,
    connect_timeout: CONNECT_TIMEOUT_S,
    idle_timeout: 60,
    max_lifetime: null,
    backoff: (attempt) => Math.min(0.05 * 2 ** attempt, 1),
    onnotice: () => {},
    connection: {
      ...options.session,
      application_name: options.name,
      statement_timeout: options.statementTimeoutMs,
      TimeZone: "UTC",
    },
  });
}

/**
 * One session that lives as long as nothing goes wrong: for locks, LISTEN, migrations.
 *
 * @param onClose is told when the connection has closed: locks are gone, and what was under way is unknown.
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
    connection: { application_name: name, TimeZone: "UTC" },
  });
}
