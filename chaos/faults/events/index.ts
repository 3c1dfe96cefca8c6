/** Faults of records: repeated, late and invalid ones, as a second writer or an operator's replay leaves them. */
import { header } from "../../../contracts/event.ts";
import type { Project } from "../../../contracts/project.ts";
import { eventsTopic, replicaTopic } from "../../../contracts/topics.ts";
import { connectLog } from "../../../kafka/connect-log.ts";
import { type Log, partitionsOf, type StoredRecord } from "../../../kafka/log.ts";
import { createLogger } from "../../../observability/logger.ts";
import type { Fault, FaultContext } from "../../fault.ts";
import { lastRecords, type Plant, plant, sameBytes } from "./plant.ts";
import { poisonOf } from "./poison.ts";

/** Records that a fault reads from the end of a partition, and most records that it writes. */
const MAX_READ = 300;
const MAX_WRITTEN = 40;

/** Chooses the records to write. @throws {Error} when the topic has none that are suitable. */
type Choose = (log: Log, topic: string, context: FaultContext) => Promise<readonly Plant[]>;

/** Writes records that `choose` returns. `settle` runs after that, before the records are reported. */
const plantFault = (
  fault: Pick<Fault, "name" | "summary">,
  topicsIn: (project: Project) => readonly string[],
  choose: Choose,
  settle: (log: Log, topic: string, context: FaultContext, plants: readonly Plant[]) => Promise<void> = async () => {},
): Fault => ({
  ...fault,
  lastsMs: [0, 0],
  subjects: ({ project }) => topicsIn(project),
  async inject(context) {
    const { brokers } = context.system.addresses;
    const log = await connectLog({ brokers, clientId: "chaos", logger: createLogger("chaos", "1", "silent") });
    try {
      const plants = await choose(log, context.subject, context);
      const report = await plant({ log, context }, context.subject, plants);
      return async () => {
        try {
          await settle(log, context.subject, context, plants);
          await report();
        } finally {
          await log.close();
        }
      };
    } catch (error) {
      await log.close();
      throw error;
    }
  },
});

/** Reads the end of partitions in random order, until one has records. @throws {Error} when the topic is empty. */
async function anyRecords(log: Log, topic: string, { random }: FaultContext): Promise<StoredRecord[]> {
  const remaining = partitionsOf(topic, await log.partitionCount(topic));
  while (remaining.length > 0) {
    const [at] = remaining.splice(random.int(0, remaining.length - 1), 1);
    const records = await lastRecords(log, at!, MAX_READ);
    if (records.length > 0) return records;
  }
  throw new Error(`${topic} has no records yet`);
}

const keyOf = ({ key }: StoredRecord): string => key?.toString() ?? "";
const versionOf = ({ headers }: StoredRecord): number => Number(headers[header.version]);
/** Invalid events stay out: their copy would be one more dead letter. A resend asks replicas to apply it again. */
const isPlain = (record: StoredRecord): boolean =>
  record.key !== null && Number.isSafeInteger(versionOf(record)) && record.headers[header.resend] === undefined;

const asPlant =
  (kind: Plant["kind"]) =>
  (record: StoredRecord): Plant => ({ kind, partition: record.partition, message: sameBytes(record) });

/** A run of records once more, as after a consumer or a relay that repeats its last batch. */
const repeat: Choose = async (log, topic, context) => {
  const { random } = context;
  const plain = (await anyRecords(log, topic, context)).filter(isPlain);
  const from = random.int(0, Math.max(0, plain.length - MAX_WRITTEN));
  return plain.slice(from, from + random.int(1, MAX_WRITTEN)).map(asPlant("repeated"));
};

/** Older versions after the newest one, and first those of deleted entities. */
const older: Choose = async (log, topic, context) => {
  const byKey = Map.groupBy((await anyRecords(log, topic, context)).filter(isPlain), keyOf);
  const late = [...byKey.values()].filter((records) => records.length > 1);
  const isDeleted = (records: readonly StoredRecord[]) => records.at(-1)!.headers[header.type]?.endsWith(".deleted");
  const chosen = [...late.filter(isDeleted), ...late.filter((records) => !isDeleted(records))]
    .map((records) => context.random.pick(records.slice(0, -1)))
    .slice(0, MAX_WRITTEN);
  if (chosen.length === 0) throw new Error(`${topic} has no entity with two versions yet`);
  return chosen.map(asPlant("older"));
};

/** The end of a partition once more. The last record of each entity is again its newest one. */
const replayEnd: Choose = async (log, topic, context) =>
  (await anyRecords(log, topic, context))
    .filter(isPlain)
    .slice(-context.random.int(1, MAX_WRITTEN))
    .map(asPlant("repeated"));

/**
 * The stream may have written a newer version meanwhile. Compaction keeps the last record of a key, so the newest one is
 * written once more until it is the last.
 */
async function keepNewestLast(log: Log, topic: string, context: FaultContext, plants: readonly Plant[]): Promise<void> {
  const keys = new Set(plants.map(({ message }) => String(message.key)));
  for (const partition of new Set(plants.map((one) => one.partition)))
    for (;;) {
      const records = (await lastRecords(log, { topic, partition }, MAX_READ)).filter((one) => keys.has(keyOf(one)));
      const superseded = [...Map.groupBy(records, keyOf).values()].flatMap((versions) => {
        const newest = versions.reduce((a, b) => (versionOf(b) >= versionOf(a) ? b : a));
        return versionOf(versions.at(-1)!) < versionOf(newest) ? [newest] : [];
      });
      if (superseded.length === 0) break;
      await (await plant({ log, context }, topic, superseded.map(asPlant("repeated"))))();
    }
}

const poison: Choose = async (log, topic, { system, random }) => {
  const entity = system.project.entities.find((one) => eventsTopic(one).name === topic)!;
  return poisonOf(entity, await log.partitionCount(topic), random, random.int(1, 10));
};

const topics = ({ entities }: Project) => entities.map((entity) => eventsTopic(entity).name);
const replicaTopics = ({ entities }: Project) =>
  entities.flatMap((entity) => entity.replicas.map(({ name }) => replicaTopic(entity, name).name));

/** Each acts on one topic. */
export const eventFaults: readonly Fault[] = [
  plantFault(
    { name: "events-repeated", summary: "Events are in the topic once more, with the same bytes." },
    topics,
    repeat,
  ),
  plantFault({ name: "events-late", summary: "Older versions of entities follow the newest one." }, topics, older),
  plantFault(
    { name: "events-invalid", summary: "Records that are no event, or of a wrong schema, are among the events." },
    topics,
    poison,
  ),
  plantFault(
    { name: "replica-records-repeated", summary: "The last records of a replica's topic are in it once more." },
    replicaTopics,
    replayEnd,
    keepNewestLast,
  ),
];
