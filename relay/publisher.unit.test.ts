import { expect, test } from "bun:test";
import fc from "fast-check";
import { product } from "../contracts/entities/product.ts";
import { changeId, header } from "../contracts/event.ts";
import { eventsTopic } from "../contracts/topics.ts";
import { type Fate, SimulatedLog } from "../tests/harness/simulated-log.ts";
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
  traceparent: null,
  transaction: "7",
  actor: null,
  digest: null,
  resend: null,
  time: "2026-01-01T00:00:00.000000Z",
});

/** The outbox as PostgreSQL keeps it: rows and positions go together, and survive every crash. */
class SimulatedOutbox {
  positions: Positions = new Map();
  constructor(public rows: OutboxRow[]) {}
  acknowledge(done: readonly OutboxRow[], positions: Positions): void {
    this.rows = this.rows.filter((row) => !done.includes(row));
    this.positions = structuredClone(positions);
  }
}

test("P1 P2: under lost answers, crashes before and after the acknowledgement, and zombies each change is in the log once, in order", async () => {
  const fate = fc.constantFrom<Fate>("stored", "stored", "stored", "lost", "unknown", "late");
  const step = fc.record({
    size: fc.integer({ min: 1, max: 8 }),
    crash: fc.constantFrom("no", "no", "before publishing", "before the acknowledgement"),
    deliverLate: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom(...ids), { minLength: 1, maxLength: 40 }),
      fc.array(fate, { minLength: 40, maxLength: 40 }),
      fc.array(step, { minLength: 1, maxLength: 20 }),
      async (writes, fates, steps) => {
        let asked = 0;
        const log = new SimulatedLog(PARTITIONS, () => fates[asked++] ?? "stored");
        const versions = new Map<string, number>();
        const outbox = new SimulatedOutbox(
          writes.map((id, seq) => {
            versions.set(id, (versions.get(id) ?? 0) + 1);
            return rowOf(id, versions.get(id)!, seq);
          }),
        );
        const all = outbox.rows.map(({ entity, id, version }) => changeId({ entity, id, version }));
        const open = async () => {
          const publisher = new Publisher(log, [product], structuredClone(outbox.positions));
          await publisher.reopen();
          return publisher;
        };
        let publisher = await open();
        const relay = async (size: number, crash: string) => {
          const rows = outbox.rows.slice(0, size);
          if (crash === "before publishing") publisher = await open();
          for (;;)
            try {
              await publisher.publish(rows);
              break;
            } catch {
              await publisher.reopen();
            }
          if (crash === "before the acknowledgement") publisher = await open();
          else outbox.acknowledge(rows, publisher.settle(rows));
        };
        for (const { size, crash, deliverLate } of steps) {
          await relay(size, crash);
          if (deliverLate) log.deliverLate();
        }
        while (outbox.rows.length > 0) await relay(8, "no");
        log.deliverLate();

        const published = Array.from({ length: PARTITIONS }, (_, partition) =>
          log.records({ topic: eventsTopic(product).name, partition }).map((r) => r.headers[header.id]!),
        );
        expect(published.flat().sort()).toEqual([...all].sort());
        for (const id of ids) {
          const order = published
            .flat()
            .filter((change) => change.includes(id))
            .map((change) => Number(change.split(":")[2]));
          expect(order).toEqual([...order].sort((a, b) => a - b));
        }
      },
    ),
    { numRuns: Number(process.env.TEST_RUNS ?? 500) },
  );
}, 600_000);
