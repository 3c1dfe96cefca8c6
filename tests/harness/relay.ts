/** Runs relays in this process, with their own database and topic on real servers. */
import { randomBytes } from "node:crypto";
import type { Sql } from "postgres";
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import { header } from "../../contracts/event.ts";
import { eventsTopic } from "../../contracts/topics.ts";
import { sourceMigrations } from "../../gateway/migrations/index.ts";
import { connectLog } from "../../kafka/connect-log.ts";
import type { Log, StoredRecord } from "../../kafka/log.ts";
import { createLogger } from "../../observability/logger.ts";
import { createMetrics, type Metrics } from "../../observability/metrics.ts";
import { connectDedicated } from "../../platform/postgres/connect.ts";
import { migrate } from "../../platform/postgres/migrate.ts";
import { LeaderLock } from "../../relay/leader-lock.ts";
import { Outbox } from "../../relay/outbox.ts";
import { Publisher } from "../../relay/publisher.ts";
import { Relay } from "../../relay/relay.ts";
import { product, project } from "../project/index.ts";
import { brokerAddress, freshDatabase } from "./servers.ts";

const logger = createLogger("test", "1", "silent");

/** A running relay. Disposing it stops the relay as SIGTERM does. */
export interface RunningRelay extends AsyncDisposable {
  readonly metrics: Metrics;
  readonly outbox: Outbox;
  /** Rejects when the relay ends with an error. */
  readonly ended: Promise<void>;
}

/** What a test changes at a relay. */
export interface RelayOverrides {
  readonly entities?: readonly EntityDeclaration[];
  /** Replaces statements on the outbox, to fail at a chosen moment. */
  readonly outbox?: (outbox: Outbox) => Outbox;
  /** Replaces what the relay does before it sleeps. */
  readonly leader?: (leader: LeaderLock) => LeaderLock;
  /** Longest wait for a NOTIFY, in milliseconds; 20 by default. */
  readonly pollMs?: number;
  /** Called after the relay was notified. */
  readonly onNotify?: () => void;
}

/** A source database and a topic. Products are captured into the outbox; their events go to a topic of this test. */
export class RelayFixture implements AsyncDisposable {
  private constructor(
    readonly url: string,
    readonly sql: Sql,
    readonly log: Log,
    /** The product, with a topic that no other test uses. */
    readonly entity: EntityDeclaration,
  ) {}

  /** @param config settings of the topic that differ. */
  static async start(config: Readonly<Record<string, string>> = {}): Promise<RelayFixture> {
    const url = await freshDatabase();
    await migrate(url, sourceMigrations(project), logger);
    const log = await connectLog({ brokers: [await brokerAddress()], clientId: "test", logger });
    const entity = { ...product, plural: `products_${randomBytes(6).toString("hex")}` };
    const topic = eventsTopic(entity);
    const layout = { partitions: 2, replicationFactor: 1, minInSyncReplicas: 1 };
    await log.ensureTopics([{ name: topic.name, config: { ...topic.config, ...config } }], layout);
    return new RelayFixture(url, connectDedicated(url, "test"), log, entity);
  }

  /** Starts a relay that reads at most 200 rows at a time. */
  async relay(overrides: RelayOverrides = {}): Promise<RunningRelay> {
    const { entities = [this.entity], pollMs = 20, onNotify = () => {} } = overrides;
    const sql = connectDedicated(this.url, "test-relay");
    const listening = connectDedicated(this.url, "test-relay-listen");
    const outbox = overrides.outbox?.(new Outbox(sql, true)) ?? new Outbox(sql, true);
    const publisher = new Publisher(
      this.log,
      { namespace: "", allEntities: entities },
      await outbox.positions(),
      async () => {},
    );
    const metrics = createMetrics("relay", "1");
    const leader = overrides.leader?.(new LeaderLock(sql, "test")) ?? new LeaderLock(sql, "test");
    const relay = new Relay({ outbox, leader, publisher, logger, metrics }, { batchRows: 200, pollMs });
    await listening.listen("lockstep_outbox", () => {
      relay.notify();
      onNotify();
    });
    const stopping = new AbortController();
    const ended = relay.run(stopping.signal);
    ended.catch(() => {});
    return {
      metrics,
      outbox,
      ended,
      async [Symbol.asyncDispose]() {
        stopping.abort();
        await ended.catch(() => {});
        await publisher.close();
        await Promise.all([sql.end({ timeout: 1 }), listening.end({ timeout: 1 })]);
      },
    };
  }

  /** All records of the topic. */
  async records(): Promise<StoredRecord[]> {
    const { name: topic } = eventsTopic(this.entity);
    const found: StoredRecord[] = [];
    for (const [partition, { first, next }] of await this.log.offsets(topic))
      for await (const records of this.log.read({ topic, partition }, first, next)) found.push(...records);
    return found;
  }

  /** `<id>:<version>` of all records in the topic, sorted. */
  async sent(): Promise<string[]> {
    return (await this.records()).map(({ key, headers }) => `${key}:${headers[header.version]}`).sort();
  }

  /** Inserts a product. @returns its id. */
  async insert(values: Record<string, unknown> = {}): Promise<string> {
    const sku = randomBytes(8).toString("hex");
    const [row] = await this.sql<{ id: string }[]>`
      insert into products ${this.sql({ sku, name: "N", price: "1", ...values })} returning id`;
    return row!.id;
  }

  /** The rows that were set aside, by id. */
  async setAside(): Promise<Map<string, { reason: string; detail: string; version: string; seq: string }>> {
    const rows = await this.sql<{ id: string; reason: string; detail: string; version: string; seq: string }[]>`
      select id, reason, detail, version, seq from lockstep.set_aside`;
    return new Map(rows.map((row) => [row.id, row]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.sql.end({ timeout: 1 });
    await this.log.close();
  }
}
