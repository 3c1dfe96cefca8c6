import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { deadLetterHeader } from "../contracts/dead-letter.ts";
import { encodeEvent, header } from "../contracts/event.ts";
import { deadLetterTopic, eventsTopic, replicaTopic, versionsTopic } from "../contracts/topics.ts";
import type { OutgoingRecord } from "../kafka/log.ts";
import { createLogger } from "../observability/logger.ts";
import { createMetrics } from "../observability/metrics.ts";
import { deadLetterRecord, markRecord } from "../tests/harness/dead-letters.ts";
import { deleteEvent, productDocument, upsertEvent } from "../tests/harness/product-events.ts";
import { SimulatedLog, type WriteOutcome } from "../tests/harness/simulated-log.ts";
import { product } from "../tests/project/index.ts";
import { AssignedPartitions } from "./assigned-partitions.ts";
import { VersionStore } from "./version-store.ts";
import { decodeFlushed } from "./versions-topic.ts";

const PARTITION = 0;
const input = { topic: eventsTopic(product).name, partition: PARTITION };
const deadLetters = { topic: deadLetterTopic(product).name, partition: PARTITION };
const versions = { topic: versionsTopic(product).name, partition: PARTITION };
const output = (replica: string) => ({ topic: replicaTopic(product, replica).name, partition: PARTITION });
const logger = createLogger("test", "1", "silent");

/** Four products only, so that many events concern the same one. */
const ids = ["a", "b", "c", "d"].map((letter) => `${letter.repeat(8)}-0000-4000-8000-000000000000`);

const arrival = fc.record({
  id: fc.constantFrom(...ids),
  version: fc.integer({ min: 1, max: 8 }),
  kind: fc.constantFrom("active", "draft", "deleted", "invalid"),
  resend: fc.boolean(),
});
type Arrival = typeof arrival extends fc.Arbitrary<infer T> ? T : never;

const recordOf = ({ id, version, kind, resend }: Arrival): OutgoingRecord => {
  if (kind === "invalid") return { key: id, value: "{", headers: {} };
  const event =
    kind === "deleted" ? deleteEvent(id, version) : upsertEvent(productDocument({ id, version, status: kind }));
  return encodeEvent({ ...event, ...(resend ? { resend: "1" } : {}) });
};

/** What each output must contain in the end: the input processed once, in order, without failures. */
function expectedOutputs(arrivals: readonly Arrival[]) {
  const newest = new Map<string, number>();
  const catalog: string[] = [];
  const storefront: string[] = [];
  const rejected: number[] = [];
  arrivals.forEach(({ id, version, kind, resend }, offset) => {
    if (kind === "invalid") rejected.push(offset);
    const known = newest.get(id) ?? 0;
    if (kind === "invalid" || version < known || (version === known && !resend)) return;
    newest.set(id, version);
    catalog.push(`${id} ${version} ${kind !== "deleted" ? "document" : "tombstone"}`);
    storefront.push(`${id} ${version} ${kind === "active" ? "document" : "tombstone"}`);
  });
  return { catalog, storefront, rejected };
}

const outputsTo = (log: SimulatedLog, replica: string): string[] =>
  log
    .records(output(replica))
    .map((r) => `${r.key} ${r.headers[header.version]} ${r.value === null ? "tombstone" : "document"}`);

/** Replicas that must not have an entity, by `id version`, after the last accepted event of the newest version. */
function expectedAbsences(arrivals: readonly Arrival[]): Map<string, string> {
  const newest = new Map<string, number>();
  const absences = new Map<string, string>();
  for (const { id, version, kind, resend } of arrivals) {
    const known = newest.get(id) ?? 0;
    if (kind === "invalid" || version < known || (version === known && !resend)) continue;
    newest.set(id, version);
    absences.delete(`${id} ${known}`);
    const absent = { deleted: ["catalog", "storefront"], draft: ["storefront"], active: [] }[kind];
    absences.set(`${id} ${version}`, absent.join());
  }
  return absences;
}

/** What the versions topic ends with, by `id version`. */
const absencesIn = (log: SimulatedLog): Map<string, string> =>
  new Map(
    [...decodeFlushed(log.records(versions)).changes].map(([id, { version, absent }]) => [
      `${id} ${version}`,
      absent.join(),
    ]),
  );

/** Input offsets of the stream's own dead letters. */
const rejectedOffsets = (log: SimulatedLog): number[] =>
  log
    .records(deadLetters)
    .filter(({ headers }) => headers[deadLetterHeader.reason] && headers[deadLetterHeader.topic] === input.topic)
    .map((record) => Number(record.headers[header.inputOffset]));

class Instance {
  private readonly versions: VersionStore;
  private readonly partitions: AssignedPartitions;

  constructor(log: SimulatedLog, file: string) {
    this.versions = new VersionStore(file);
    const metrics = createMetrics("stream", "1");
    this.partitions = new AssignedPartitions(
      { log, versions: this.versions, logger, metrics },
      { namespace: "", allEntities: [product] },
    );
  }

  /**
   * Delivers input from an offset on, as the group does after a rebalance.
   *
   * @returns false when the batch must be repeated.
   */
  async deliver(log: SimulatedLog, from: number, size: number): Promise<boolean> {
    const records = log.records(input).slice(from, from + size);
    try {
      await this.partitions.process({ ...input, records, highWatermark: log.records(input).length });
      return true;
    } catch {
      return false;
    }
  }

  flush(): Promise<void> {
    return this.partitions.flush();
  }

  /** Saves what the local file lacks. */
  save(): void {
    this.versions.save();
  }

  /** Like `kill -9`: flushes and saves nothing, closes only the file. */
  crash(): void {
    this.partitions.onRevoked([input]);
    this.versions[Symbol.dispose]();
  }
}

/** One step: an instance gets some input, and may crash after that. */
const step = fc.record({
  instance: fc.integer({ min: 0, max: 1 }),
  /** Records before the position that are delivered again. */
  back: fc.integer({ min: 0, max: 5 }),
  size: fc.integer({ min: 1, max: 12 }),
  crash: fc.constantFrom("no", "no", "no", "keep the file", "lose the file"),
  flush: fc.constantFrom("no", "during", "after"),
  save: fc.constantFrom("no", "during", "after"),
  deliverLate: fc.boolean(),
  /** Records of others in the dead-letter topic that name this offset: a mark, and a replica's dead letter if true. */
  foreign: fc.option(fc.tuple(fc.nat(40), fc.boolean())),
});
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** Two instances of the stream on one log. */
class Simulation {
  private readonly instances: Instance[];
  private position = 0;

  constructor(
    private readonly log: SimulatedLog,
    private readonly fileOf: (instance: number) => string,
  ) {
    this.instances = [0, 1].map((i) => new Instance(log, fileOf(i)));
  }

  async run({ instance, back, size, flush, save, crash, deliverLate, foreign }: Step): Promise<void> {
    const { log } = this;
    if (foreign) log.append(deadLetters, [markRecord(0, foreign[0], "dropped", foreign[1] ? "catalog" : undefined)]);
    if (foreign?.[1]) log.append(deadLetters, [deadLetterRecord(0, foreign[0], { replica: "catalog" })]);
    const from = Math.max(0, this.position - back);
    const current = this.instances[instance]!;
    const flushing = flush === "during" ? current.flush() : undefined;
    const delivering = current.deliver(log, from, size);
    if (save === "during") void Promise.resolve().then(() => current.save());
    if (await delivering) this.position = Math.max(this.position, from + size);
    await (flush === "after" ? current.flush() : flushing);
    if (save === "after") current.save();
    if (crash !== "no") this.restart(instance, crash === "lose the file");
    if (deliverLate) log.deliverDelayed();
  }

  /**
   * Delivers all remaining input and flushes it, then stops both instances.
   *
   * @param heal ends the failures.
   */
  async finish(inputSize: number, heal: () => void): Promise<void> {
    const from = Math.max(0, Math.min(this.position, inputSize - 1));
    while (!(await this.instances[0]!.deliver(this.log, from, 100)));
    heal();
    // The first flush fails if the other instance has fenced this one. The takeover before the second one repeats it.
    for (let i = 0; i < 2; i++) {
      await this.instances[0]!.deliver(this.log, inputSize - 1, 1);
      await this.instances[0]!.flush();
    }
    this.log.deliverDelayed();
    for (const instance of this.instances) instance.crash();
  }

  private restart(instance: number, loseFile: boolean): void {
    this.instances[instance]!.crash();
    const file = this.fileOf(instance);
    if (loseFile) for (const suffix of ["", "-wal", "-shm"]) rmSync(file + suffix, { force: true });
    this.instances[instance] = new Instance(this.log, file);
  }
}

const fate = fc.constantFrom<WriteOutcome>(
  ...(["stored", "stored", "stored", "stored", "lost", "unknown", "late", "rejected"] as const),
);

test("P1 P2 P9: with lost answers, crashes, moves and late writes, each event is routed once, in order", async () => {
  const folder = mkdtempSync(join(tmpdir(), "lockstep-topology-"));
  let run = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(arrival, { minLength: 1, maxLength: 40 }),
      fc.array(fate, { minLength: 40, maxLength: 40 }),
      fc.array(step, { minLength: 1, maxLength: 25 }),
      async (arrivals, fates, steps) => {
        const name = `${run++}`;
        let remainingFates = fates.values();
        const log = new SimulatedLog(1, () => remainingFates.next().value ?? "stored");
        log.append(input, arrivals.map(recordOf));
        const simulation = new Simulation(log, (instance) => join(folder, `${name}-${instance}.sqlite`));
        for (const one of steps) await simulation.run(one);
        await simulation.finish(arrivals.length, () => {
          remainingFates = [].values();
        });

        const { catalog, storefront, rejected } = expectedOutputs(arrivals);
        expect(outputsTo(log, "catalog"), "ids and versions routed to the catalog").toEqual(catalog);
        expect(outputsTo(log, "storefront"), "ids and versions routed to the storefront").toEqual(storefront);
        expect(rejectedOffsets(log), "input offsets of the dead letters").toEqual(rejected);
        const [absences, found] = [expectedAbsences(arrivals), absencesIn(log)];
        expect([...found.keys()].sort(), "newest versions in the versions topic").toEqual([...absences.keys()].sort());
        for (const [entity, absent] of found)
          if (absent) expect(absent, `replicas that must not have ${entity}`).toBe(absences.get(entity)!);
      },
    ),
    { numRuns: Number(process.env.TEST_RUNS ?? 300) },
  );
  rmSync(folder, { recursive: true });
}, 600_000);
