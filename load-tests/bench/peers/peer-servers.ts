/**
 * The servers that a peer runs on: a source and copies on the stack's PostgreSQL with the stack's settings, and, for a
 * dual write, the stack's broker. They have the tables of the same project, without capture.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pino from "pino";
import postgres from "postgres";
import type { EntityDeclaration } from "../../../contracts/entity/declaration.ts";
import { quotedTable } from "../../../contracts/entity/table.ts";
import type { Migration, Project } from "../../../contracts/project.ts";
import { migrate } from "../../../platform/postgres/migrate.ts";
import { freePort } from "../../../stack/ports.ts";
import { startBroker } from "../../../stack/servers/broker.ts";
import { startPostgres } from "../../../stack/servers/postgres.ts";
import type { Server } from "../../../stack/servers/server.ts";
import type { Database } from "../databases.ts";
import type { SystemUnderTest } from "../measurement.ts";
import type { WatchedProcess } from "../processes.ts";

/** Each copy has the table of this replica, which contains every public field. */
export const COPIED_REPLICA = "catalog";
/** Without these triggers a change is only in the WAL. The trigger that counts versions stays. */
const CAPTURE_TRIGGERS = ["lockstep_inserted", "lockstep_updated", "lockstep_deleted"];

/** A project, and the migrations of its two sides. */
export interface Schemas {
  readonly project: Project;
  readonly source: readonly Migration[];
  /** Migrations of the replica with this name. */
  readonly replica: (name: string) => readonly Migration[];
}

/** A database with the name of its copy. */
export type NamedDatabase = Database & { readonly name: string };

/** A running peer. */
export interface Peer extends SystemUnderTest {
  /** Stops everything and removes the data. May be called more than once. */
  stop(): Promise<void>;
}

/** Starts servers on free ports and in a temporary folder, and stops them together. */
export class PeerServers {
  private readonly dir = mkdtempSync(join(tmpdir(), "lockstep-peer-"));
  private readonly servers: Server[] = [];
  private readonly databases: NamedDatabase[] = [];
  private stopping: Promise<void> | undefined;

  /** @param signal aborts the start of each server. */
  constructor(
    private readonly schemas: Schemas,
    private readonly signal?: AbortSignal,
  ) {}

  /** All servers that were started. */
  get processes(): readonly WatchedProcess[] {
    return this.servers.map(({ name, kind, pid }) => ({ name, kind, pid }));
  }

  /**
   * Starts the source, with the table of the entity and without its capture triggers.
   *
   * @throws {UserError} when it does not start.
   */
  async startSource({ table }: EntityDeclaration): Promise<NamedDatabase> {
    const source = await this.startDatabase("source", this.schemas.source);
    for (const trigger of CAPTURE_TRIGGERS) await source.sql.unsafe(`drop trigger ${trigger} on ${quotedTable(table)}`);
    return source;
  }

  /** Starts a copy with the table of {@link COPIED_REPLICA}. @throws {UserError} when it does not start. */
  startCopy(name: string): Promise<NamedDatabase> {
    return this.startDatabase(name, this.schemas.replica(COPIED_REPLICA));
  }

  /**
   * Starts a broker with the stack's settings.
   *
   * @returns its address.
   * @throws {UserError} when it does not start.
   */
  async startBroker(): Promise<string> {
    const [port, controllerPort] = [await freePort(), await freePort()];
    const node = { nodeId: 1, port, controllerPort };
    const options = { ...node, cluster: [node], dir: join(this.dir, "broker") };
    const server = await startBroker(this.signal ? { ...options, signal: this.signal } : options);
    this.servers.push(server);
    this.signal?.throwIfAborted();
    return server.url;
  }

  /** Stops all servers and removes their data. May be called more than once. */
  stop(): Promise<void> {
    this.stopping ??= this.stopAll();
    return this.stopping;
  }

  private async startDatabase(name: string, migrations: readonly Migration[]): Promise<NamedDatabase> {
    const port = await freePort();
    const settings = { wal_level: "logical", wal_keep_size: "1GB" };
    const options = { name, dir: join(this.dir, String(port)), port, database: "lockstep", settings };
    const server = await startPostgres(this.signal ? { ...options, signal: this.signal } : options);
    this.servers.push(server);
    this.signal?.throwIfAborted();
    await migrate(server.url, migrations, pino({ level: "silent" }));
    const database = { name, url: server.url, sql: postgres(server.url, { max: 1, onnotice: () => {} }) };
    this.databases.push(database);
    return database;
  }

  private async stopAll(): Promise<void> {
    await Promise.all(this.databases.map(({ sql }) => sql.end()));
    // Copies first: a source that stops waits for its subscribers.
    for (const server of this.servers.toReversed()) await server.stop();
    rmSync(this.dir, { recursive: true, force: true });
  }
}
