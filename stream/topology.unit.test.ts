import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { deadLetterHeader } from "../contracts/dead-letter.ts";
import { product } from "../contracts/entities/product.ts";
import { encodeEvent, header } from "../contracts/event.ts";
import { deadLetterTopic, eventsTopic, replicaTopic } from "../contracts/topics.ts";
import type { OutgoingRecord } from "../kafka/log.ts";
import { createLogger } from "../observability/logger.ts";
import { createMetrics } from "../observability/metrics.ts";
import { deleted, productDocument, upserted } from "../tests/harness/events.ts";
import { letterRecord, markRecord } from "../tests/harness/letters.ts";
import { type Fate, SimulatedLog } from "../tests/harness/simulated-log.ts";
import { Topology } from "./topology.ts";
import { VersionStore } from "./version-store.ts";

const PARTITION = 0;
const input = { topic: eventsTopic(product).name, partition: PARTITION };
const deadLetters = { topic: deadLetterTopic(product).name, partition: PARTITION };
const output = (replica: string) => ({ topic: replicaTopic(product, replica).name, partition: PARTITION });
const logger = createLogger("test", "1", "silent");

/** Four products, whose ids stay the same so that versions of one meet. */
const ids = ["a", "b", "c", "d"].map((letter) => `${letter.repeat(8)}-0000-4000-8000-000000000000`);

const arrival = fc.record({
  id: fc.constantFrom(...ids),
  version: fc.integer({ min: 1, max: 8 }),
  kind: fc.constantFrom("active", "draft", "deleted", "garbage"),
  again: fc.boolean(),
});
type Arrival = typeof arrival extends fc.Arbitrary<infer T> ? T : never;

const record = ({ id, version, kind, again }: Arrival): OutgoingRecord => {
  if (kind === "garbage") return { key: id, value: "{", headers: {} };
  const event = kind === "deleted" ? deleted(id, version) : upserted(productDocument({ id, version, status: kind }));
  return encodeEvent({ ...event, ...(again ? { resend: "1" } : {}) });
};

/** What each output must hold in the end, by folding the input once, in order, with nothing going wrong. */
function expected(arrivals: readonly Arrival[]) {
  const newest = new Map<string, number>();
  const catalog: string[] = [];
  const storefront: string[] = [];
  const dead: number[] = [];
  arrivals.forEach(({ id, version, kind, again }, offset) => {
    if (kind === "garbage") dead.push(offset);
    const known = newest.get(id) ?? 0;
    if (kind === "garbage" || version < known || (version === known && !again)) return;
    newest.set(id, version);
    catalog.push(`${id} ${version} ${kind !== "deleted" ? "there" : "gone"}`);
    storefront.push(`${id} ${version} ${kind === "active" ? "there" : "gone"}`);
  });
  return { catalog, storefront, dead };
}

const seen = (log: SimulatedLog, replica: string) =>
  log
    .records(output(replica))
    .map((r) => `${r.key} ${r.headers[header.version]} ${r.value === null ? "gone" : "there"}`);

class Instance {
  readonly metrics = createMetrics("stream", "1");
  private readonly known: VersionStore;
  private readonly topology: Topology;

  constructor(log: SimulatedLog, file: string) {
    this.known = new VersionStore(file);
    this.topology = new Topology({ log, known: this.known, logger, metrics: this.metrics }, [product]);
  }

  /** Delivers the input from an offset on, as the group would after a rebalance; a failed batch is delivered again. */
  async deliver(log: SimulatedLog, from: number, size: number): Promise<boolean> {
    const records = log.records(input).slice(from, from + size);
    try {
      await this.topology.process({ ...input, records, highWatermark: log.records(input).length });
      return true;
    } catch {
      return false;
    }
  }

  flush(): Promise<void> {
    return this.topology.flush();
  }

  /** As `kill -9`: nothing is flushed, nothing is closed properly but the file handle. */
  crash(): void {
    this.topology.revoke([input]);
    this.known[Symbol.dispose]();
  }
}

test("P1 P2 P9: under lost answers, crashes, moves and zombies each event is routed once, in order, as if nothing had happened", async () => {
  const folder = mkdtempSync(join(tmpdir(), "lockstep-topology-"));
  let run = 0;
  const fate = fc.constantFrom<Fate>("stored", "stored", "stored", "stored", "lost", "unknown", "late");
  // A step: which instance gets how much of the input, starting how far back; and whether it crashes after that.
  const step = fc.record({
    instance: fc.integer({ min: 0, max: 1 }),
    back: fc.integer({ min: 0, max: 5 }),
    size: fc.integer({ min: 1, max: 12 }),
    crash: fc.constantFrom("no", "no", "no", "keep the file", "lose the file"),
    flush: fc.boolean(),
    deliverLate: fc.boolean(),
    /** Offset of a record that somebody else tells of among the dead letters: a replica of its own topic, operations of a mark. */
    foreign: fc.option(fc.tuple(fc.nat(40), fc.boolean())),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(arrival, { minLength: 1, maxLength: 40 }),
      fc.array(fate, { minLength: 40, maxLength: 40 }),
      fc.array(step, { minLength: 1, maxLength: 25 }),
      async (arrivals, fates, steps) => {
        let writes = 0;
        const log = new SimulatedLog(1, () => fates[writes++] ?? "stored");
        log.append(input, arrivals.map(record));
        run++;
        const file = (i: number) => join(folder, `${run}-${i}.sqlite`);
        const instances = [0, 1].map((i) => new Instance(log, file(i)));
        let position = 0;
        for (const { instance, back, size, flush, crash, deliverLate, foreign } of steps) {
          if (foreign)
            log.append(deadLetters, [markRecord(0, foreign[0], "dropped", foreign[1] ? "catalog" : undefined)]);
          if (foreign?.[1]) log.append(deadLetters, [letterRecord(0, foreign[0], { replica: "catalog" })]);
          const from = Math.max(0, position - back);
          if (await instances[instance]!.deliver(log, from, size)) position = Math.max(position, from + size);
          if (flush) await instances[instance]!.flush();
          if (crash !== "no") {
            instances[instance]!.crash();
            if (crash === "lose the file")
              for (const end of ["", "-wal", "-shm"]) rmSync(file(instance) + end, { force: true });
            instances[instance] = new Instance(log, file(instance));
          }
          if (deliverLate) log.deliverLate();
        }
        while (!(await instances[0]!.deliver(log, Math.max(0, Math.min(position, arrivals.length - 1)), 100)));
        log.deliverLate();
        for (const instance of instances) instance.crash();

        const should = expected(arrivals);
        expect(seen(log, "catalog")).toEqual(should.catalog);
        expect(seen(log, "storefront")).toEqual(should.storefront);
        const dead = log
          .records(deadLetters)
          .filter(({ headers }) => headers[deadLetterHeader.reason] && headers[deadLetterHeader.topic] === input.topic);
        expect(dead.map((r) => Number(r.headers[header.inputOffset]))).toEqual(should.dead);
      },
    ),
    { numRuns: Number(process.env.TEST_RUNS ?? 300) },
  );
  rmSync(folder, { recursive: true });
}, 600_000);
