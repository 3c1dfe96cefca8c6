/**
 * A replica's PostgreSQL as replicas/migrations/ and its statements make it: rows with versions, the cache's epoch, the
 * positions. Each statement is atomic.
 */
import type { EntityId, Version } from "../../contracts/entity/document.ts";
import type { Sql } from "../../platform/postgres/connect.ts";
import savePositionsText from "../../replicas/catch-up/save-positions.sql" with { type: "text" };
import { START_MS } from "./globals.ts";
import { request } from "./request.ts";
import { connectionError, sqlClient } from "./sql-client.ts";
import type { SimulatedProcess, World } from "./world.ts";

/** What the database has of one entity: lockstep.versions, and the row of the entity's table. */
export interface ReplicaRow {
  readonly version: Version;
  /** Null: deleted, or not this replica's. */
  readonly row: Readonly<Record<string, unknown>> | null;
}

interface Epoch {
  readonly epoch: number;
  readonly previous: number;
  readonly runId: string | null;
  readonly offUntilMs: number;
}

interface Position {
  readonly next: number;
  readonly topicId: string | null;
}

/** Everything that a backup has. */
interface Content {
  readonly rows: Map<EntityId, ReplicaRow>;
  readonly positions: Map<string, Position>;
  epoch: Epoch;
}

const listOf = (text: unknown): string[] => (text === "{}" ? [] : String(text).slice(1, -1).split(","));

/** lockstep.describe */
const QUERIES = { rows: "select t.* from products as t", id: "t.id::text", types: '["uuid"]' };

/** The database. */
export class ReplicaDatabase {
  private content: Content = {
    rows: new Map(),
    positions: new Map(),
    epoch: { epoch: START_MS, previous: 0, runId: null, offUntilMs: 0 },
  };
  private backup: Content | undefined;
  private incarnation = 1;
  private unavailableUntilMs = 0;

  constructor(
    private readonly world: World,
    readonly name: string,
  ) {}

  get rows(): ReadonlyMap<EntityId, ReplicaRow> {
    return this.content.rows;
  }

  /** The connections of one pool of a process. What was sent to an earlier incarnation never reaches a later one. */
  connect(process: SimulatedProcess, max: number): Sql {
    const { world } = this;
    const noAnswer = () => connectionError(world.random.pick(["CONNECTION_CLOSED", "ECONNRESET"] as const));
    const send = (text: string, parameters: readonly unknown[]) => {
      const { incarnation } = this;
      const run = () => {
        if (world.now < this.unavailableUntilMs) throw connectionError("ECONNREFUSED");
        if (incarnation !== this.incarnation) throw connectionError("ECONNRESET");
        return this.execute(text, parameters);
      };
      return request(world, process, run, { noAnswer });
    };
    return sqlClient(send, max);
  }

  /** Ends {@link stop}. */
  start(): void {
    this.unavailableUntilMs = 0;
  }

  /** The server accepts no connection for a while. */
  stop(ms: number): void {
    this.unavailableUntilMs = this.world.now + ms;
    this.world.trace(this.world.outside, () => `the database of ${this.name} is stopped for ${Math.round(ms)} ms`);
  }

  /** Keeps the present content. */
  save(): void {
    const { rows, positions, epoch } = this.content;
    this.backup = { rows: new Map(rows), positions: new Map(positions), epoch };
  }

  /** Puts the backup back, if there is one: the database is in another incarnation then. */
  restore(): void {
    if (!this.backup) return;
    this.content = this.backup;
    this.backup = undefined;
    this.incarnation++;
    this.world.trace(this.world.outside, () => `the database of ${this.name} goes back to its backup`);
  }

  private execute(text: string, parameters: readonly unknown[]): readonly object[] {
    if (text.includes("lockstep.apply_isolated")) return this.apply(parameters, true);
    if (text.includes(`lockstep."apply_`)) return this.apply(parameters, false);
    if (text.includes("lockstep.replicate(")) return [{ name: "apply_product" }];
    if (text.includes("lockstep.describe(")) return [QUERIES];
    if (text.includes("from lockstep.cache_epoch")) return [this.readEpoch()];
    if (text.includes("lockstep.move_epoch"))
      return [{ moved: this.moveEpoch(parameters as [number, string | null, string]) }];
    if (text.includes("to_jsonb(t)::text end as row")) return [this.readRow(parameters[1] as EntityId)];
    if (text.includes("coalesce(v.version, 0) <")) return this.readBehind(parameters);
    if (text.includes("lockstep.takes_rows")) return [{ accepts: true }];
    return this.executePosition(text, parameters);
  }

  /** the table's apply function and lockstep.apply_isolated: the table of the model rejects nothing. */
  private apply(parameters: readonly unknown[], isIsolated: boolean): readonly object[] {
    const [ids, versions, deleted, , documents, resent, epoch, cache] = parameters;
    this.holdEpoch(epoch as number, cache as string);
    const rows = (JSON.parse(documents as string) as (Record<string, unknown> | null)[]).filter((row) => row !== null);
    const byId = new Map(rows.map((row) => [row.id, row]));
    const again = listOf(resent);
    const isDeleted = listOf(deleted);
    const newest = listOf(versions);
    const unchanged: object[] = [];
    for (const [i, id] of listOf(ids).entries()) {
      const version = Number(newest[i]);
      const known = this.content.rows.get(id)?.version ?? 0;
      if (known > version || (known === version && !again.includes(id))) {
        unchanged.push({ id, version: String(known), ...(isIsolated ? { place: null } : {}) });
        continue;
      }
      this.content.rows.set(id, { version, row: isDeleted[i] === "true" ? null : byId.get(id)! });
      this.world.trace(this.world.outside, () => `${this.name} commits ${id} v${version} (${cache})`);
    }
    return unchanged;
  }

  private holdEpoch(seen: number, cache: string): void {
    const { content, world } = this;
    const { epoch, runId, offUntilMs } = content.epoch;
    if (epoch !== seen || (runId !== null) !== (cache === "fenced"))
      throw Object.assign(new Error(`the cache epoch is ${epoch} (${runId ?? "off"}), not ${seen} (${cache})`), {
        code: "LS001",
        severity: "ERROR",
        where: "PL/pgSQL function lockstep.hold_epoch(bigint,text)",
      });
    if (cache === "away" && offUntilMs < world.now + 2_000)
      content.epoch = { ...content.epoch, offUntilMs: world.now + 3_000 };
  }

  private readEpoch(): object {
    const { epoch, previous, runId, offUntilMs } = this.content.epoch;
    return {
      epoch: String(epoch),
      previous: String(previous),
      run_id: runId,
      due: offUntilMs <= this.world.now,
      read_only: false,
    };
  }

  private moveEpoch([seen, runId, offFor]: [number, string | null, string]): string | null {
    const { content, world } = this;
    const { epoch, runId: present, offUntilMs } = content.epoch;
    if (epoch !== seen || (runId !== null && (present !== null || offUntilMs > world.now))) return null;
    const moved = Math.max(epoch + 1, START_MS + Math.floor(world.now));
    content.epoch = { epoch: moved, previous: epoch, runId, offUntilMs: world.now + Number.parseInt(offFor, 10) };
    world.trace(world.outside, () => `the cache of ${this.name} is ${runId ?? "off"} from epoch ${moved} on`);
    return String(moved);
  }

  private readRow(id: EntityId): object {
    const found = this.content.rows.get(id);
    return { row: found?.row ? JSON.stringify(found.row) : null, version: found ? String(found.version) : null };
  }

  private readBehind([ids, versions]: readonly unknown[]): readonly object[] {
    const required = listOf(versions);
    return listOf(ids)
      .map((id, i) => ({ id, version: required[i]! }))
      .filter(({ id, version }) => (this.content.rows.get(id)?.version ?? 0) < Number(version));
  }

  private executePosition(text: string, parameters: readonly unknown[]): readonly object[] {
    const { positions } = this.content;
    if (text === savePositionsText) return this.savePositions(parameters as [string, number, string]);
    if (text.includes("as incarnation")) return [{ incarnation: String(this.incarnation) }];
    if (text.includes("bool_or(at = 'epoch')"))
      return [{ age: positions.size > 0 ? 0 : null, lost: false, incomplete: null }];
    if (text.includes("next_offset as next")) {
      const found = positions.get(`${parameters[0]}/${parameters[1]}`);
      return found ? [{ next: String(found.next), topicId: found.topicId }] : [];
    }
    if (text.includes('insert into lockstep.positions (topic, "partition", next_offset, at, topic_id)')) {
      const [topic, partition, next, topicId] = parameters as [string, number, number, string | null];
      if (positions.has(`${topic}/${partition}`)) return [];
      positions.set(`${topic}/${partition}`, { next, topicId });
      return [{ topic }];
    }
    throw new Error(`the model of a replica does not know the statement ${text}`);
  }

  /** save-positions.sql */
  private savePositions([text, , incarnation]: [string, number, string]): readonly object[] {
    const { positions } = this.content;
    const reported = JSON.parse(text) as {
      topic: string;
      partition: number;
      next: number;
      saved: number | null;
      topic_id: string;
    }[];
    const stored = reported.map(({ topic, partition }) => positions.get(`${topic}/${partition}`)?.next);
    const wentBack =
      incarnation !== String(this.incarnation) ||
      reported.some(({ saved }, i) => saved !== null && (stored[i] ?? -1) < saved);
    return reported.map(({ topic, partition, next, saved, topic_id: topicId }, i) => {
      const mayStore = !wentBack && (saved === null ? stored[i] === undefined : stored[i] === saved);
      if (mayStore) positions.set(`${topic}/${partition}`, { next, topicId });
      return { topic, partition, stored: String(mayStore ? next : stored[i]), went_back: wentBack };
    });
  }
}
