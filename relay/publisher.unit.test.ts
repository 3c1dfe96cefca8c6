import { expect, test } from "bun:test";
import fc from "fast-check";
import { header } from "../contracts/event.ts";
import { eventsTopic } from "../contracts/topics.ts";
import { partitionKey } from "../kafka/log.ts";
import { partitionForKey } from "../kafka/partitioner.ts";
import { outboxRow } from "../tests/harness/outbox-row.ts";
import { SimulatedLog, type WriteOutcome } from "../tests/harness/simulated-log.ts";
import { product, project } from "../tests/project/index.ts";
import { toEventRecord } from "./event-record.ts";
import type { LostRange } from "./lost-events.ts";
import type { OutboxRow, Positions } from "./outbox.ts";
import { Publisher } from "./publisher.ts";

const PARTITIONS = 3;
/** Entities whose rows have the same ids. */
const entities = [product, { ...product, name: "part", plural: "parts" }] as const;
const ids = Array.from({ length: 6 }, (_, i) => `${String(i).repeat(8)}-0000-4000-8000-000000000000`);

/** A change of an entity; a resend sends the present version again. */
interface Change {
  readonly entity: (typeof entities)[number];
  readonly id: string;
  readonly isResend: boolean;
}

/** One row for each change. A write has the next version of its entity. A resend without a version is a write. */
function rowsOf(changes: readonly Change[]): OutboxRow[] {
  const versions = new Map<string, number>();
  return changes.map(({ entity, id, isResend }, n): OutboxRow => {
    const present = versions.get(`${entity.name} ${id}`) ?? 0;
    const isSentAgain = isResend && present > 0;
    const version = isSentAgain ? present : present + 1;
    versions.set(`${entity.name} ${id}`, version);
    return outboxRow({ seq: String(n), entity: entity.name, id, version, resend: isSentAgain ? String(n) : null });
  });
}

/** Rows of the first versions of products. */
const productRows = (productIds: readonly string[]): OutboxRow[] =>
  rowsOf(productIds.map((id) => ({ entity: product, id, isResend: false })));

/** Like the outbox in PostgreSQL: rows and positions change together and survive every crash. */
class SimulatedOutbox {
  positions: Positions = new Map();
  constructor(public rows: OutboxRow[]) {}

  acknowledge(done: readonly OutboxRow[], positions: Positions): void {
    this.rows = this.rows.filter((row) => !done.includes(row));
    for (const [key, position] of positions) this.positions.set(key, { ...position });
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
    private readonly onFailure: (error: unknown) => void = () => {},
  ) {}

  /** Opens a new publisher, as a relay does that starts after a crash. */
  async restart(): Promise<Publisher> {
    this.publisher = new Publisher(
      this.log,
      { namespace: "", allEntities: entities },
      structuredClone(this.outbox.positions),
      async (lost) => {
        for (const { topic, partition, from } of lost)
          this.outbox.positions.set(`${topic}/${partition}`, { topic, partition, next: from });
        this.lost.push(...lost);
      },
    );
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
      } catch (error) {
        this.onFailure(error);
        await publisher.reopen();
      }
    if (crash === "before the acknowledgement") await this.restart();
    else this.outbox.acknowledge(rows, publisher.positionsAfter(rows));
  }
}

/** A change as a reader of the topic sees it, independent of the id that the publisher gives it. */
const nameOf = (entity: string, id: string, version: number | string, resend: string | null | undefined): string =>
  `${entity} ${id} version ${version}${resend ? ` sent again by row ${resend}` : ""}`;
const changeOf = (row: OutboxRow): string => nameOf(row.entity, row.id, row.version, row.resend);

/** The changes that the relay wrote to the events topics, in the order of each partition. Replays are left out. */
const storedChanges = (log: SimulatedLog): string[] =>
  entities.flatMap((entity) =>
    Array.from({ length: PARTITIONS }, (_, partition) =>
      log
        .records({ topic: eventsTopic(entity).name, partition })
        .filter(({ headers }) => headers[header.replayOf] === undefined)
        .map(({ key, headers }) => nameOf(entity.name, String(key), headers[header.version]!, headers[header.resend])),
    ).flat(),
  );

/** Writes the record of a row as `lockstep dead-letters replay` does: with its headers, beside the relay. */
function replay(log: SimulatedLog, row: OutboxRow): void {
  const entity = entities.find(({ name }) => name === row.entity)!;
  const { key, value, headers } = toEventRecord(entity, row, undefined);
  const { name: topic } = eventsTopic(entity);
  const partition = partitionForKey(row.id, PARTITIONS);
  log.append({ topic, partition }, [{ key, value, headers: { ...headers, [header.replayOf]: `${topic}/0/0` } }]);
}

const change = fc.record<Change>({
  entity: fc.constantFrom(...entities),
  id: fc.constantFrom(...ids),
  isResend: fc.boolean(),
});
const fate = fc.constantFrom<WriteOutcome>("stored", "stored", "stored", "lost", "unknown", "late");
const step = fc.record({
  batchRows: fc.integer({ min: 1, max: 8 }),
  crash: fc.constantFrom<Crash>("no", "no", "before publishing", "before the acknowledgement"),
  deliverLate: fc.boolean(),
  /** The row that an operator replays in this step, if there is one with this number. */
  replayed: fc.nat({ max: 60 }),
});

test("P1 P2: with lost answers, crashes, late writes, resends and replays, the log has each change once and in order", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(change, { minLength: 1, maxLength: 40 }),
      fc.array(fate, { minLength: 40, maxLength: 40 }),
      fc.array(step, { minLength: 1, maxLength: 20 }),
      async (changes, fates, steps) => {
        const remainingFates = fates.values();
        const log = new SimulatedLog(PARTITIONS, () => remainingFates.next().value ?? "stored");
        const rows = rowsOf(changes);
        const outbox = new SimulatedOutbox(rows);
        const relay = new SimulatedRelay(log, outbox);
        for (const { batchRows, crash, deliverLate, replayed } of steps) {
          if (rows[replayed]) replay(log, rows[replayed]);
          await relay.publish(batchRows, crash);
          if (deliverLate) log.deliverDelayed();
        }
        while (outbox.rows.length > 0) await relay.publish(8);
        log.deliverDelayed();
        expect(relay.lost).toEqual([]);

        const stored = storedChanges(log);
        for (const { entity, id } of changes) {
          const ofEntity = (list: readonly string[]) => list.filter((one) => one.startsWith(`${entity.name} ${id} `));
          expect({ entity: entity.name, id, hop: "events topic", changes: ofEntity(stored) }).toEqual({
            entity: entity.name,
            id,
            hop: "events topic",
            changes: ofEntity(rows.map(changeOf)),
          });
        }
        expect(stored).toHaveLength(rows.length);
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
  const rows = productRows([...idsOfPartition, ...idsOfPartition]);
  const outbox = new SimulatedOutbox(rows);
  const failures: unknown[] = [];
  const relay = new SimulatedRelay(log, outbox, (error) => failures.push(error));
  await relay.publish(6);
  log.records(at).length = 0;
  while (outbox.rows.length > 0) await relay.publish(4);
  expect(storedChanges(log).toSorted()).toEqual(rows.slice(6).map(changeOf).toSorted());
  expect(relay.lost).toEqual([{ ...at, from: 0, to: 6 }]);
  expect(failures.map(String)).toEqual([
    "Error: products.events/0 was created again: it stored a record at offset 0, and had ended at 6",
  ]);
});

test("a log that was put back from an older backup while the relay was stopped is reported once", async () => {
  const log = new SimulatedLog(1);
  const outbox = new SimulatedOutbox(productRows(idsOfPartition));
  const relay = new SimulatedRelay(log, outbox);
  await relay.publish(5);
  log.records(at).length = 2;
  await relay.restart();
  await relay.restart();
  await relay.publish(5);
  expect(relay.lost).toEqual([{ ...at, from: 2, to: 5 }]);
  expect(storedChanges(log)).toHaveLength(3);
});

test("P1: the log loses a stored change that is still in the outbox: the loss is reported, and the change written again", async () => {
  const fates: WriteOutcome[] = ["stored", "lost"];
  const log = new SimulatedLog(1, () => fates.shift() ?? "stored");
  const rows = productRows(idsOfPartition);
  const outbox = new SimulatedOutbox(rows);
  const relay = new SimulatedRelay(log, outbox);
  // A crash leaves four stored changes in the outbox. Two are acknowledged, so the saved position stays at the start.
  await relay.publish(4, "before the acknowledgement");
  await relay.publish(2);
  log.records(at).length = 3;
  while (outbox.rows.length > 0) await relay.publish(3);
  expect(relay.lost).toEqual([{ ...at, from: 3, to: 4 }]);
  expect(storedChanges(log)).toEqual(rows.map(changeOf));
});

test("stored changes whose rows are gone do not keep positions from being saved", async () => {
  const log = new SimulatedLog(1);
  const outbox = new SimulatedOutbox(productRows(idsOfPartition));
  const first = new SimulatedRelay(log, outbox);
  await first.publish(4, "before the acknowledgement");
  // The next relay acknowledges two of the four stored changes, and crashes.
  await first.publish(2);
  expect(outbox.positions.size).toBe(0);
  const publisher = await first.restart();
  const { rows } = outbox;
  await publisher.publish(rows);
  publisher.keepStoredChanges(rows);
  outbox.acknowledge(rows, publisher.positionsAfter(rows));
  expect(outbox.positions.get(partitionKey(at))).toEqual({ ...at, next: log.records(at).length });
  expect(storedChanges(log)).toHaveLength(idsOfPartition.length);
});

test("a publisher that is not open rejects rows", async () => {
  const publisher = new Publisher(new SimulatedLog(1), project, new Map(), async () => {});
  await expect(publisher.publish([])).rejects.toThrow("the publisher is not open; call reopen() before publish()");
});
