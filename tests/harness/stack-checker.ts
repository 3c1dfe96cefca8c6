/** Checks a stack without traffic: compares source and replicas, and reads every record of every topic. */
import postgres from "postgres";
import { readRecords } from "../../chaos/rest/at-rest.ts";
import { readings, type TopicReadings } from "../../chaos/rest/topic-readings.ts";
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import { eventsTopic, replicaTopic } from "../../contracts/topics.ts";
import type { Log } from "../../kafka/log.ts";
import { differences, readTable } from "../../load-tests/bench/differences.ts";
import { project } from "../project/index.ts";
import { eventually } from "./eventually.ts";
import type { Writers } from "./load.ts";
import type { Stack } from "./stack.ts";

/**
 * Waits until all replicas equal the source.
 *
 * @param timeoutMs limit for each replica.
 * @returns the milliseconds it took.
 * @throws {Error} with the first differences when a replica still differs.
 */
export async function untilInStep(stack: Stack, timeoutMs: number, entities = project.entities): Promise<number> {
  const start = performance.now();
  const source = await stack.url("gateway-db");
  for (const replica of ["catalog", "storefront"]) {
    const url = await stack.url(`${replica}-db`);
    await eventually(
      async () => {
        const found = await differences(source, url, replica, entities);
        if (found.length > 0) throw new Error(`${found.length} differ: ${found.slice(0, 5).join("; ")}`);
        return true;
      },
      { timeoutMs, what: `${replica} to be in step`, everyMs: 200 },
    );
  }
  return performance.now() - start;
}

/** Returns the acknowledged writes that the source does not have. Not empty: the gateway confirmed a write that is lost (P1). */
export async function findLostWrites(stack: Stack, { acknowledged }: Writers): Promise<string[]> {
  const sql = postgres(await stack.url("gateway-db"), { max: 1, onnotice: () => {} });
  try {
    const rows = await sql<{ id: string; version: number }[]>`
      select id::text, version::int from products union all select id, version::int from lockstep.tombstones`;
    const versions = new Map(rows.map((row) => [row.id, row.version]));
    return [...acknowledged]
      .filter(([id, { version }]) => (versions.get(id) ?? 0) < version)
      .map(
        ([id, { version }]) => `${id} was acknowledged at ${version}, the source has ${versions.get(id) ?? "nothing"}`,
      );
  } finally {
    await sql.end();
  }
}

/** Reads a whole topic, including records of aborted transactions. Versions count from 1. */
export const readTopic = async (log: Log, topic: string): Promise<TopicReadings> =>
  readings(await readRecords(log, topic), 1);

/**
 * Checks the topics of a stack without traffic: the events topic ends at the source's versions, without gaps, duplicates
 * or reordering, and each replica's topic ends at what its filter selects.
 *
 * @returns one text for each violation.
 */
export async function findTopicViolations(stack: Stack, log: Log, entities = project.entities): Promise<string[]> {
  const found: string[] = [];
  const [entity] = entities;
  if (!entity) return found;
  const sql = postgres(await stack.url("gateway-db"), { max: 1, onnotice: () => {} });
  try {
    const rows = await sql<{ id: string; version: number; gone: boolean }[]>`
      select id::text, version::int, false as gone from products union all select id, version::int, true from lockstep.tombstones`;
    const events = await readTopic(log, eventsTopic(entity).name);
    for (const { id, version } of rows)
      if (events.newest.get(id)?.version !== version)
        found.push(`events: ${id} ends at ${events.newest.get(id)?.version}, the source at ${version}`);
    found.push(
      ...events.missing.map((m) => `events: ${m} is missing`),
      ...events.duplicates.map((d) => `events: ${d} is there twice`),
    );
    found.push(...events.outOfOrder.map((f) => `events: ${f}`));
    for (const replica of entity.replicas) {
      const routed = await readTopic(log, replicaTopic(entity, replica.name).name);
      found.push(
        ...routed.duplicates.map((d) => `to.${replica.name}: ${d} is there twice`),
        ...[...routed.outOfOrder, ...routed.supersededResends].map((f) => `to.${replica.name}: ${f}`),
      );
      const table = await readTable(await stack.url("gateway-db"), entity, entity);
      for (const { id, gone } of rows) {
        const document = table.get(id);
        const there = !gone && document !== undefined && replica.filter(document);
        const last = routed.newest.get(id);
        if (there && (!last || last.tombstone || last.version !== document.version))
          found.push(`to.${replica.name}: ${id} ends in ${JSON.stringify(last)}, not in version ${document.version}`);
        if (!there && last && !last.tombstone)
          found.push(`to.${replica.name}: ${id} is not removed (version ${last.version})`);
      }
    }
    return found;
  } finally {
    await sql.end();
  }
}

/** Returns the exact columns of a replica's table, sorted. */
export const columnsOf = (fields: EntityDeclaration["fields"]): string[] =>
  Object.values(fields)
    .map(({ column }) => column)
    .sort();
