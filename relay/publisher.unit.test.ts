import { expect, test } from "bun:test";
import fc from "fast-check";
import { product } from "../contracts/entities/product.ts";
import { changeId, header } from "../contracts/event.ts";
import { eventsTopic } from "../contracts/topics.ts";
import { partitionForKey } from "../kafka/partitioner.ts";
import { SimulatedLog, type WriteOutcome } from "../tests/harness/simulated-log.ts";
import type { LostRange } from "./lost-events.ts";
import type { OutboxRow, Positions } from "./outbox.ts";
import { Publisher } from "./publisher.ts";

const PARTITIONS = 3;
const ids = Array.from({ length: 6 }, (_, i) => `${String(i).repeat(8)}-0000-4000-8000-000000000000`);

const rowOf = (id: string, version: number, seq: number): OutboxRow => ({
  seq: String(seq),
  entity: product.name,
  id,
  version,
  operation: "deleted",
  data: null,
  bytes: 0,
  traceparent: null,
  transaction: "7",
  actor: null,
  digest: null,
  resend: null,
  time: "2026-01-01T00:00:00.000000Z",
});

/** One row for each write, with the next version of its entity. */
function rowsOf(writes: readonly string[]): OutboxRow[] {
  const versions = new Map<string, number>();
  return writes.map((id, seq) => {
    const version = (versions.get(id) ?? 0) + 1;
    versions.set(id, version);
    return rowOf(id, version, seq);
  });
}

/** Like the outbox in PostgreSQL: rows and positions change together and survive every crash. */
class SimulatedOutbox {
  positions: Positions = new Map();
  constructor(public rows: OutboxRow[]) {}

  acknowledge(done: readonly OutboxRow[], positions: Positions): void {
    this.rows = this.rows.filter((row) => !done.includes(row));
    this.positions = structuredClone(positions);
  }
}

type Crash = "no" | "before publishing" | "before the acknowledgement";

/** A relay whose publisher a crash replaces by a new one. */
class SimulatedRelay {
  private publisher: Publisher | undefined;
  readonly lost: LostRange[] = [];

  constructor(
    private readonly log: SimulatedLog,
    private readonly outbox: SimulatedOutbox,
  ) {}

  /** Opens a new publisher, as a relay does that starts after a crash. */
  async restart(): Promise<Publisher> {
    this.publisher = new Publisher(this.log, [product], structuredClone(this.outbox.positions), async (lost) => {
      for (const { topic, partition, from } of lost)
        this.outbox.positions.set(`${topic}/${partition}`, { topic, partition, next: from });
      this.lost.push(...lost);
    });
    await this.publisher.reopen();
    return this.publisher;
  }

  async publish(batchRows: number, crash: Crash = "no"): Promise<void> {
    const rows = this.outbox.rows.slice(0, batchRows);
    const publisher = crash !== "before publishing" && this.publisher ? this.publisher : await this.restart();
    for (;;)
      try {
        await publisher.publish(rows);
        break;
      } catch {
        await publisher.reopen();
      }
    if (crash === "before the acknowledgement") await this.restart();
    else this.outbox.acknowledge(rows, publisher.positionsAfter(rows));
  }
}

const storedChanges = (log: SimulatedLog): string[] =>
  Array.from({ length: PARTITIONS }, (_, partition) =>
    log.records({ topic: eventsTopic(product).name, partition }).map((record) => record.headers[header.id]!),
  ).flat();

const fate = fc.constantFrom<WriteOutcome>("stored", "stored", "stored", "lost", "unknown", "late");
const step = fc.record({
  batchRows: fc.integer({ min: 1, max: 8 }),
  crash: fc.constantFrom<Crash>("no", "no", "before publishing", "before the acknowledgement"),
  deliverLate: fc.boolean(),
});

test("P1 P2: with lost answers, crashes and late writes, the log has each change once and in order", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom(...ids), { minLength: 1, maxLength: 40 }),
      fc.array(fate, { minLength: 40, maxLength: 40 }),
      fc.array(step, { minLength: 1, maxLength: 20 }),
      async (writes, fates, steps) => {
        const remainingFates = fates.values();
        const log = new SimulatedLog(PARTITIONS, () => remainingFates.next().value ?? "stored");
        const rows = rowsOf(writes);
        const outbox = new SimulatedOutbox(rows);
        const relay = new SimulatedRelay(log, outbox);
        for (const { batchRows, crash, deliverLate } of steps) {
          await relay.publish(batchRows, crash);
          if (deliverLate) log.deliverDelayed();
        }
        while (outbox.rows.length > 0) await relay.publish(8);
        log.deliverDelayed();
        expect(relay.lost).toEqual([]);

        const stored = storedChanges(log);
        expect(stored.toSorted()).toEqual(
          rows.map(({ entity, id, version }) => changeId({ entity, id, version })).toSorted(),
        );
        for (const id of ids) {
          const versions = stored.filter((change) => change.includes(id)).map((change) => Number(change.split(":")[2]));
          expect(versions).toEqual(versions.toSorted((a, b) => a - b));
        }
      },
    ),
    { numRuns: Number(process.env.TEST_RUNS ?? 500) },
  );
}, 600_000);

const at = { topic: eventsTopic(product).name, partition: 0 };
/** Six products whose events are in partition 0. */
const idsOfPartition = Array.from({ length: 200 }, () => crypto.randomUUID())
  .filter((id) => partitionForKey(id, 1) === 0)
  .slice(0, 6);

test("P1: a topic that was created again while the relay ran is read from its start, and the loss is reported", async () => {
  const log = new SimulatedLog(1);
  const rows = rowsOf([...idsOfPartition, ...idsOfPartition]);
  const outbox = new SimulatedOutbox(rows);
  const relay = new SimulatedRelay(log, outbox);
  await relay.publish(6);
  log.records(at).length = 0;
  while (outbox.rows.length > 0) await relay.publish(4);
  expect(storedChanges(log).toSorted()).toEqual(
    rows
      .slice(6)
      .map(({ entity, id, version }) => changeId({ entity, id, version }))
      .toSorted(),
  );
  expect(relay.lost).toEqual([{ ...at, from: 0, to: 6 }]);
});

test("a log that was put back from an older backup while the relay was stopped is reported once", async () => {
  const log = new SimulatedLog(1);
  const outbox = new SimulatedOutbox(rowsOf(idsOfPartition));
  const relay = new SimulatedRelay(log, outbox);
  await relay.publish(5);
  log.records(at).length = 2;
  await relay.restart();
  await relay.restart();
  await relay.publish(5);
  expect(relay.lost).toEqual([{ ...at, from: 2, to: 5 }]);
  expect(storedChanges(log)).toHaveLength(3);
});
