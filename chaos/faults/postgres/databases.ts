/** The databases that faults act on, and the connections of the faults to them. */
import postgres, { type Sql } from "postgres";
import type { EntityDeclaration } from "../../../contracts/entity/declaration.ts";
import { replicaSubject, SOURCE_SUBJECT } from "../../subjects.ts";
import type { System } from "../../system.ts";

/** `application_name` of every session of chaos. Those of Lockstep begin with `lockstep`. */
const SESSION_NAME = "chaos";
const CONNECT_TIMEOUT_S = 5;
const LOCK_TIMEOUT_MS = 5_000;

/** Names of all databases: `gateway-db`, then `<replica>-db`. */
export const databaseNames = ({ addresses }: System): string[] => [
  SOURCE_SUBJECT,
  ...[...addresses.replicaDatabases.keys()].map(replicaSubject),
];

/** URL of a database of {@link databaseNames}. @throws {RangeError} when there is none of this name. */
export function databaseUrl({ addresses }: System, name: string): string {
  if (name === SOURCE_SUBJECT) return addresses.sourceDatabase;
  for (const [replica, url] of addresses.replicaDatabases) if (name === replicaSubject(replica)) return url;
  throw new RangeError(`there is no database ${name}`);
}

/** Opens one session. It accepts writes also while the database is read-only by default. */
export const openSession = (url: string): Sql =>
  postgres(url, {
    max: 1,
    connect_timeout: CONNECT_TIMEOUT_S,
    idle_timeout: 0,
    max_lifetime: null,
    fetch_types: false,
    onnotice: () => {},
    connection: {
      application_name: SESSION_NAME,
      lock_timeout: LOCK_TIMEOUT_MS,
      options: "-c default_transaction_read_only=off", // postgres.js leaves out a setting that is false
    },
  });

/** Runs `use` in a session of its own. */
export async function inSession<T>(url: string, use: (sql: Sql) => Promise<T>): Promise<T> {
  const sql = openSession(url);
  try {
    return await use(sql);
  } finally {
    await sql.end({ timeout: 1 });
  }
}

/** The entities whose tables a database has. */
export const entitiesIn = ({ project }: System, name: string): readonly EntityDeclaration[] =>
  name === SOURCE_SUBJECT
    ? project.entities
    : project.entities.filter(({ replicas }) => replicas.some((replica) => replicaSubject(replica.name) === name));
