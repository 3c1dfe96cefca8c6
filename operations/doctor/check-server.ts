/** Checks of any PostgreSQL server: version, standby, connections, rights. */

import type { Sql } from "../../platform/postgres/connect.ts";
import { identifier } from "../adopt/catalog.ts";
import type { Findings } from "./finding.ts";

/** Lockstep's functions use `returning old.…, new.…`, which PostgreSQL 18 introduced. */
const MIN_VERSION = 18;
/** Each service has a pool of at most 10 sessions, and a few of its own. */
const MIN_FREE_CONNECTIONS = 20;

interface Server {
  readonly version: number;
  readonly version_text: string;
  readonly role: string;
  readonly standby: boolean;
  readonly read_only: boolean;
  readonly free: number;
  readonly max: number;
  readonly database: string;
  readonly create_schema: boolean;
  readonly create_in_public: boolean;
  readonly installed: boolean;
  readonly owns_schema: boolean;
  readonly tracks_commits: boolean;
}

/** What the following checks need to know. */
export interface ServerState {
  /** True when Lockstep's schema is there. */
  readonly isInstalled: boolean;
  readonly role: string;
}

/** @throws {Error} when the server is unavailable. */
export async function checkServer(session: Sql, findings: Findings): Promise<ServerState> {
  const [server] = await session<Server[]>`
    select current_setting('server_version_num')::int / 10000 as version, current_setting('server_version') as version_text,
      current_user::text as role, pg_is_in_recovery() as standby, current_setting('default_transaction_read_only')::boolean as read_only,
      current_setting('max_connections')::int as max,
      current_setting('max_connections')::int - (select count(*)::int from pg_stat_activity where backend_type = 'client backend') as free,
      current_database()::text as database,
      has_database_privilege(current_database(), 'create') as create_schema,
      coalesce(has_schema_privilege('public', 'create'), false) as create_in_public,
      to_regnamespace('lockstep') is not null as installed,
      coalesce((select pg_has_role(nspowner, 'usage') from pg_namespace where nspname = 'lockstep'), false) as owns_schema,
      current_setting('track_commit_timestamp')::boolean as tracks_commits`;
  const { role, database, version, version_text, max, free, installed } = server!;
  if (version < MIN_VERSION)
    findings.fail(`PostgreSQL ${version_text} is too old`, `upgrade it to PostgreSQL ${MIN_VERSION} or later`);
  else findings.ok(`PostgreSQL ${version_text}, role ${role}, database ${database}`);
  if (server!.standby) findings.fail("is a standby, which accepts no writes", "use the address of the primary");
  else if (server!.read_only)
    findings.fail(
      "its sessions are read-only",
      `alter database ${identifier(database)} reset default_transaction_read_only`,
    );
  if (free < MIN_FREE_CONNECTIONS)
    findings.warn(
      `only ${free} of ${max} connections are free`,
      `alter system set max_connections = ${max + MIN_FREE_CONNECTIONS}, or lower LOCKSTEP_DATABASE_POOL`,
    );
  if (installed && !server!.owns_schema)
    findings.fail(
      `role ${role} does not own the schema lockstep`,
      `alter schema lockstep owner to ${identifier(role)}`,
    );
  if (!installed && !server!.create_schema)
    findings.fail(
      `role ${role} may not create schemas`,
      `grant create on database ${identifier(database)} to ${identifier(role)}`,
    );
  if (!installed && !server!.create_in_public)
    findings.fail(
      `role ${role} may not create tables in public`,
      `grant create on schema public to ${identifier(role)}`,
    );
  if (!server!.tracks_commits)
    findings.warn(
      "track_commit_timestamp is off, so latencies are measured from the write instead of the commit",
      "alter system set track_commit_timestamp = on, then restart PostgreSQL",
    );
  return { isInstalled: installed, role };
}
