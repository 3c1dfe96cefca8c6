/** Judges the topics against the source: each change is there once and in order, and the stream made of it what it must. */
import { deadLetterHeader } from "../../contracts/dead-letter.ts";
import { header } from "../../contracts/event.ts";
import { deadLetterTopic, eventsTopic, replicaTopic, versionsTopic } from "../../contracts/topics.ts";
import type { StoredRecord } from "../../kafka/log.ts";
import { product } from "../project/index.ts";
import type { System } from "./system.ts";

const replicas = product.replicas.map(({ name }) => name);
const operationOf = ({ headers }: StoredRecord) => headers[header.type]?.split(".").at(-1);

/** What the stream must make of one partition of its input. Written without the stream's own code. */
interface Expected {
  /** Lines per replica: `<id> <version> document` or `tombstone`. */
  readonly outputs: ReadonlyMap<string, string[]>;
  /** Input offsets of the dead letters. */
  readonly rejected: number[];
  /** Newest version of each product. */
  readonly newest: ReadonlyMap<string, number>;
}

function expectedOf(input: readonly StoredRecord[]): Expected {
  const newest = new Map<string, number>();
  const outputs = new Map(replicas.map((name) => [name, [] as string[]]));
  const rejected: number[] = [];
  for (const record of input) {
    const operation = operationOf(record);
    if (!operation) {
      rejected.push(record.offset);
      continue;
    }
    const id = String(record.key);
    const version = Number(record.headers[header.version]);
    const known = newest.get(id) ?? 0;
    if (version < known || (version === known && !record.headers[header.resend])) continue;
    newest.set(id, version);
    const isActive = operation === "upserted" && String(record.value).includes('"status":"active"');
    const isThere: Record<string, boolean> = { catalog: operation === "upserted", storefront: isActive };
    for (const name of replicas)
      outputs.get(name)!.push(`${id} ${version} ${isThere[name] ? "document" : "tombstone"}`);
  }
  return { outputs, rejected, newest };
}

/** Compares what is stored with what is expected. @returns the first difference, as a sentence. */
function difference(
  promise: string,
  place: string,
  stored: readonly string[],
  expected: readonly string[],
): string | undefined {
  const length = Math.max(stored.length, expected.length);
  for (let i = 0; i < length; i++)
    if (stored[i] !== expected[i])
      return `${promise}: ${place} has ${stored[i] ?? "nothing"} in place ${i}, and must have ${expected[i] ?? "nothing"}`;
  return undefined;
}

/** @returns what the stream's outputs lack or have too much, as a sentence; undefined when they are right. */
export function checkOutputs({ broker }: System): string | undefined {
  for (let partition = 0; partition < broker.partitionTotal; partition++) {
    const recordsOf = (topic: string) => broker.partition({ topic, partition }).records;
    const { outputs, rejected } = expectedOf(recordsOf(eventsTopic(product).name));
    for (const name of replicas) {
      const topic = replicaTopic(product, name).name;
      const stored = recordsOf(topic).map(
        ({ key, value, headers }) => `${key} ${headers[header.version]} ${value ? "document" : "tombstone"}`,
      );
      const found = difference("P1 P2 P3 P5", `${topic}/${partition}`, stored, outputs.get(name)!);
      if (found) return found;
    }
    const topic = deadLetterTopic(product).name;
    const ofStream = recordsOf(topic).filter(({ headers }) => headers[deadLetterHeader.replica] === undefined);
    const letters = ofStream.map(({ headers }) => headers[deadLetterHeader.offset] ?? "");
    const found = difference("P2 P6", `${topic}/${partition}`, letters, rejected.map(String));
    if (found) return found;
  }
  return undefined;
}

/** @returns what the versions topic lacks, as a sentence. The stream writes it within a second. */
export function checkVersions({ broker }: System): string | undefined {
  for (let partition = 0; partition < broker.partitionTotal; partition++) {
    const recordsOf = (topic: string) => broker.partition({ topic, partition }).records;
    const { newest, outputs } = expectedOf(recordsOf(eventsTopic(product).name));
    const known = new Map(
      recordsOf(versionsTopic(product).name).map(({ key, value }) => [String(key), JSON.parse(String(value))]),
    );
    for (const [id, version] of newest) {
      const found = known.get(id) as { version: number; absent?: string[] } | undefined;
      if (found?.version !== version)
        return `P10: the versions topic has ${id} at version ${found?.version}, and must have ${version}`;
      for (const name of found.absent ?? [])
        if (outputs.get(name)!.findLast((line) => line.startsWith(id)) !== `${id} ${version} tombstone`)
          return `P10: the versions topic says that ${name} must not have ${id} at version ${version}, and it must`;
    }
  }
  return undefined;
}

/** @returns what the events topic lacks or has too much, as a sentence; undefined when it is right. */
export function checkEvents({ broker, source }: System): string | undefined {
  const sent = new Map<string, number>();
  for (let partition = 0; partition < broker.partitionTotal; partition++) {
    const newest = new Map<string, number>();
    for (const { key, headers } of broker.partition({ topic: eventsTopic(product).name, partition }).records) {
      if (headers[header.replayOf]) continue;
      const version = Number(headers[header.version]);
      const change = headers[header.id]!;
      if (sent.has(change)) return `P2: the events topic has ${change} twice`;
      sent.set(change, version);
      if (version < (newest.get(String(key)) ?? 0))
        return `P3: the events topic has ${change} after version ${newest.get(String(key))}`;
      newest.set(String(key), version);
    }
  }
  for (const [version, change] of source.history) {
    const isSent = sent.has(`${product.name}:${version.replace(" ", ":")}`);
    if (change !== "large" && !isSent) return `P1: ${version} was committed and is not in the events topic`;
    if (change === "large" && isSent) return `P6: ${version} is too large and is in the events topic`;
  }
  return checkSetAside({ source });
}

/** A product whose newest state cannot be sent is set aside, and no other. */
function checkSetAside({ source }: Pick<System, "source">): string | undefined {
  for (const [id, { version, change }] of source.rows) {
    const aside = source.setAside.get(id);
    if (change === "large" && aside?.version !== version)
      return `P6: ${id} v${version} is too large and is not set aside (${aside?.version ?? "nothing"} is)`;
    if (change !== "large" && aside) return `P6: ${id} v${aside.version} is set aside, although v${version} was sent`;
  }
  return undefined;
}
