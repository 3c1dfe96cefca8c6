/**
 * Two processes of one replica that share a cache: the real applier, lookup and controller, with the real scripts on a real
 * Redis. Only PostgreSQL and time are modelled, so that every order of steps can be tested. PostgreSQL is a map and the
 * row of the epoch; time is the order of the steps (step-scheduler.ts).
 */
import type { Redis } from "ioredis";
import { type CacheEntry, stateKey } from "../../contracts/cache-entry.ts";
import type { RedisLink } from "../../platform/redis/redis.ts";
import { Applier } from "../../replicas/apply/applier.ts";
import { type ApplyResult, type CacheGuard, type Change, EpochMovedError } from "../../replicas/apply/apply.ts";
import { type Rejection, RejectionTracker } from "../../replicas/apply/rejection-tracker.ts";
import { Cache } from "../../replicas/cache/cache.ts";
import { CacheController } from "../../replicas/cache/cache-controller.ts";
import { CacheWriter } from "../../replicas/cache/cache-writer.ts";
import type { Epoch } from "../../replicas/cache/epoch.ts";
import { Lookup } from "../../replicas/reads/lookup.ts";
import { faultyClient, type ProtocolFault, type ScriptDigests } from "./cache-model-redis.ts";
import { replicaOf, silentLogger } from "./replica.ts";
import type { StepScheduler } from "./step-scheduler.ts";

/** Outcome of an apply. `refused`: rolled back and reported. `unknown`: reported as failed, but committed later. */
export type ApplyOutcome = "committed" | "refused" | "unknown";

interface Row extends Epoch {
  readonly previous: number;
}

type Version = number;

/** The shared state of the model: PostgreSQL, Redis and the processes. */
export class CacheModel {
  readonly violations: string[] = [];
  readonly processes: ModelProcess[];
  /** Rows of the replica's table, by entity id. */
  readonly rows = new Map<string, { version: Version; deleted: boolean }>();
  row: Row = { epoch: 1, previous: 0, runId: null, due: true };
  /** Leases on epochs below this one have expired. */
  minLeasedEpoch = 0;
  /** Identity of the current Redis server. */
  server = "server 1";
  private snapshot: { entries: [string, string][]; state: Record<string, string> } | undefined;
  readonly prefix: string;

  constructor(
    readonly scheduler: StepScheduler,
    readonly redis: Redis,
    readonly replica: string,
    readonly ids: readonly string[],
    readonly fault?: ProtocolFault,
    readonly scripts: ScriptDigests = {
      fence: "",
      fill: "",
      store: "",
      lift: "",
    },
    /** Schema version of the second process, which may run newer code than the first. */
    schemaVersion = 1,
  ) {
    this.prefix = `lockstep:{${replica}.things}`;
    this.processes = [new ModelProcess(this, "p1", 1), new ModelProcess(this, "p2", schemaVersion)];
  }

  /** Applies changes as one atomic statement. @throws {EpochMovedError} when the guard's epoch is not the current one. */
  apply(changes: readonly Change[], guard: CacheGuard): ApplyResult {
    const { epoch, runId } = this.row;
    const moved = guard.epoch !== epoch || (guard.cache === "fenced") !== (runId !== null);
    if (moved && this.fault !== "commits under any epoch") throw new EpochMovedError("moved");
    if (outcomeOf(changes) === "refused")
      return { unchanged: new Map(), altered: new Set(), rejected: new Map(changes.map(({ id }) => [id, rejection])) };
    const unchanged = new Map<string, Version>();
    for (const { id, version, document } of changes) {
      const known = this.rows.get(id)?.version ?? 0;
      if (known >= version) unchanged.set(id, known);
      else this.rows.set(id, { version, deleted: document === null });
    }
    return { unchanged, altered: new Set(), rejected: new Map() };
  }

  /** Moves the epoch on from `from`. @returns the new epoch, or undefined when another process moved it before. */
  move(from: number, runId: string | null): number | undefined {
    if (this.row.epoch !== from || (runId !== null && this.row.runId !== null)) return undefined;
    this.row = { epoch: from + 1, previous: from, runId, due: true };
    return this.row.epoch;
  }

  /** Reads as a client does. Records a violation of invariant I14 when the response is older than the committed row. */
  async read(process: ModelProcess, id: string): Promise<void> {
    const committed = this.rows.get(id)?.version ?? 0;
    const { entry, outcome } = await process.lookup.find(id);
    if ((entry?.version ?? 0) < committed)
      this.violations.push(
        `${process.name} read ${id} at ${entry?.version}, ${committed} was committed (${outcome.result})`,
      );
  }

  /** Redis loses all entries and its state. */
  async flush(): Promise<void> {
    const keys = [stateKey(this.prefix), ...this.ids.map((id) => `${this.prefix}:${id}`)];
    await this.scheduler.runExternal(() => this.redis.del(...keys));
  }

  /** Redis evicts an id's entry, or the cache's state. */
  async evict(what: string): Promise<void> {
    const key = what === "state" ? stateKey(this.prefix) : `${this.prefix}:${what}`;
    await this.scheduler.runExternal(() => this.redis.del(key));
  }

  /** Redis takes a snapshot, which the next {@link restart} loads. */
  async save(): Promise<void> {
    await this.scheduler.runExternal(async () => {
      const values = await Promise.all(this.ids.map((id) => this.redis.get(`${this.prefix}:${id}`)));
      const entries = values.flatMap((value, i): [string, string][] => (value === null ? [] : [[this.ids[i]!, value]]));
      this.snapshot = { entries, state: await this.redis.hgetall(stateKey(this.prefix)) };
    });
  }

  /** Redis restarts with its last snapshot or empty. This also models a failover to a replica that is behind. */
  async restart(): Promise<void> {
    this.server = `server ${Number(this.server.split(" ")[1]) + 1}`;
    await this.flush();
    const { entries, state } = this.snapshot ?? { entries: [], state: {} };
    await this.scheduler.runExternal(async () => {
      for (const [id, value] of entries) await this.redis.set(`${this.prefix}:${id}`, value);
      if (Object.keys(state).length > 0) await this.redis.hset(stateKey(this.prefix), state);
    });
  }
}

const rejection: Rejection = { code: "23514", message: "refused", names: {}, raised: false };
const outcomeOf = (changes: readonly Change[]) => changes[0]?.document?.fate as ApplyOutcome | undefined;

/** A process' view of the epoch: replaces CacheEpoch, with steps instead of time. */
class ModelEpoch {
  private seen: Row;
  private leased: Row | undefined;
  private drainedEpoch = 0;

  constructor(private readonly model: CacheModel) {
    this.seen = model.row;
  }

  lease = () => this.leased;
  leaseForRead = async () => this.leased ?? (await this.refresh().then(() => this.leased));
  holds = (epoch: Epoch) => this.leased?.epoch === epoch.epoch;
  isNew = () => false;

  async refresh(): Promise<Epoch> {
    await this.model.scheduler.step();
    const { row } = this.model;
    await this.model.scheduler.step();
    if (row.epoch < this.seen.epoch) return this.seen;
    if (row.epoch !== this.seen.epoch && this.seen.runId === null && row.previous === this.seen.epoch)
      if (this.drainedEpoch === this.seen.epoch) this.drainedEpoch = row.epoch;
    this.seen = row;
    // A lease counts from the start of the query. A query that started before the expiry of older leases grants none.
    this.leased = row.epoch >= this.model.minLeasedEpoch ? row : undefined;
    return row;
  }

  async afterLeaseExpiry(): Promise<Epoch> {
    const { seen, model } = this;
    if (this.drainedEpoch === seen.epoch || model.fault === "applies without waiting for leases") return seen;
    await model.scheduler.step();
    // This step stands for the time after which every older lease has expired.
    model.minLeasedEpoch = Math.max(model.minLeasedEpoch, seen.epoch);
    for (const { epoch } of model.processes) epoch.expire(model.minLeasedEpoch);
    this.drainedEpoch = seen.epoch;
    return seen;
  }

  expire(below: number): void {
    if (this.leased && this.leased.epoch < below) this.leased = undefined;
  }

  async disable(epoch: number): Promise<void> {
    await this.move(epoch, null);
  }

  enable(off: Epoch, runId: string): Promise<number | undefined> {
    return this.move(off.epoch, runId);
  }

  private async move(from: number, runId: string | null): Promise<number | undefined> {
    await this.model.scheduler.step();
    const moved = this.model.move(from, runId);
    await this.refresh();
    return moved;
  }
}

/** One process of the replica. */
export class ModelProcess {
  readonly epoch: ModelEpoch;
  readonly cache: Cache;
  readonly lookup: Lookup;
  readonly applier: Applier;
  readonly cacheWriter: CacheWriter;
  readonly controller: CacheController;
  connected = true;
  /** True: the next command times out for this process, but Redis executes it later. */
  hangsNextCommand = false;

  constructor(
    private readonly model: CacheModel,
    readonly name: string,
    schemaVersion: number,
  ) {
    const { scheduler } = model;
    this.epoch = new ModelEpoch(model);
    const client = faultyClient(model, (run) => this.command(run));
    const link: RedisLink = { client, runId: () => this.visibleServer(), close() {} };
    const redis = { reads: link, writes: link };
    this.cache = new Cache(
      { redis, epoch: this.epoch, logger: silentLogger },
      { replica: model.replica, entity: { namespace: "", plural: "things", schemaVersion }, ttlSeconds: 60 },
      (epoch) => scheduler.spawn(() => this.controller.onLost(epoch)),
    );
    this.controller = new CacheController({ epoch: this.epoch, redis, caches: [this.cache], logger: silentLogger });
    this.lookup = new Lookup(this.cache, { one: (id) => this.readRow(id) });
    const apply = async (changes: readonly Change[], guard: CacheGuard) => {
      await scheduler.step();
      if (outcomeOf(changes) === "unknown") {
        scheduler.spawn(async () => {
          await scheduler.step();
          try {
            model.apply(changes, guard);
          } catch (error) {
            if (!(error instanceof EpochMovedError)) throw error;
          }
        });
        throw new Error("no answer");
      }
      const answer = model.apply(changes, guard);
      await scheduler.step();
      return answer;
    };
    const { cache, epoch } = this;
    this.cacheWriter = new CacheWriter({ cache, epoch, logger: silentLogger }, replicaOf("catalog"));
    this.applier = new Applier({
      applyChanges: apply,
      applyEach: apply,
      alone: {
        applyAll: apply,
        applyOne: (change, guard) => apply([change], guard),
        testTable: async () => "accepts",
      },
      rejections: new RejectionTracker("things", async () => "accepts"),
      cacheWriter: this.cacheWriter,
      epoch,
      logger: silentLogger,
    });
  }

  private visibleServer(): string | undefined {
    if (!this.connected) return undefined;
    return this.model.fault === "trusts any server" ? (this.model.row.runId ?? this.model.server) : this.model.server;
  }

  private async readRow(id: string): Promise<CacheEntry | undefined> {
    await this.model.scheduler.step();
    const found = this.model.rows.get(id);
    await this.model.scheduler.step();
    return found && { version: found.version, body: found.deleted ? null : `{"version":${found.version}}` };
  }

  /** Sends a command. The connection may close before the server receives it, or before the response arrives. */
  private async command<T>(run: () => Promise<T>): Promise<T> {
    const { model } = this;
    const sentTo = model.server;
    const cut = () => !this.connected || model.server !== sentTo;
    if (this.hangsNextCommand) {
      this.hangsNextCommand = false;
      model.scheduler.spawn(async () => {
        if (model.server === sentTo) await model.scheduler.runExternal(run).catch(() => {});
      });
      throw new Error("timed out");
    }
    await model.scheduler.step();
    if (cut()) throw new Error("the connection closed");
    const answer = await model.scheduler.runExternal(run);
    await model.scheduler.step();
    if (cut()) throw new Error("the connection closed");
    return answer;
  }
}
