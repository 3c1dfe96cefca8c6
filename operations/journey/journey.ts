/** The state of one entity at every hop, from the source to each cache. */
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import type { EntityId } from "../../contracts/entity/document.ts";
import { readKey } from "../../contracts/entity/key.ts";
import { header } from "../../contracts/event.ts";
import type { Project } from "../../contracts/project.ts";
import { eventsTopic } from "../../contracts/topics.ts";
import { traceIdOf } from "../../observability/trace.ts";
import type { Connections } from "../connect.ts";
import { type JourneyDeadLetter, readJourneyDeadLetters, readLastRecord } from "./read-log.ts";
import { type ReplicaHop, readReplicaHops } from "./read-replica.ts";
import {
  type ExactVersion,
  readOutboxVersions,
  readSetAsideHop,
  readSourceHop,
  type SetAsideHop,
  type SourceHop,
} from "./read-source.ts";

/** One entity in the JSON output of `lockstep journey`. */
export interface Journey {
  readonly entity: string;
  readonly id: EntityId;
  readonly source: SourceHop;
  /** Versions in the outbox, oldest first. The log may not have them yet. */
  readonly outbox: readonly ExactVersion[];
  /** The entity's newest change, when the relay has set it aside; null otherwise. */
  readonly setAside: SetAsideHop | null;
  /** The entity's last event in the log; null when the log no longer has one. */
  readonly event: LastEvent | null;
  /** Dead letters of the entity, oldest first. */
  readonly deadLetters: readonly JourneyDeadLetter[];
  readonly replicas: readonly ReplicaHop[];
  /** Trace of the last event; null without one. */
  readonly traceId: string | null;
}

/** The last event of an entity in its events topic. */
export interface LastEvent {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly version: number;
  /** When the source committed the change (ISO 8601). */
  readonly time: string | null;
}

/**
 * Reads the state at all hops at the same time. While Redis is unavailable, the result shows no cache entry.
 *
 * @throws {Error} when the source, the log or a replica's database is unavailable.
 */
export async function readJourney(connections: Connections, entity: EntityDeclaration, id: EntityId): Promise<Journey> {
  const log = await connections.log();
  const [source, outbox, setAside, event, deadLetters, replicas] = await Promise.all([
    readSourceHop(connections.source(), entity, id),
    readOutboxVersions(connections.source(), entity, id),
    readSetAsideHop(connections.source(), entity, id),
    readLastRecord(log, eventsTopic(entity).name, id),
    readJourneyDeadLetters(log, entity, id),
    readReplicaHops(connections, entity, id),
  ]);
  return {
    entity: entity.name,
    id,
    source,
    outbox,
    setAside,
    event: event && {
      topic: event.topic,
      partition: event.partition,
      offset: event.offset,
      version: Number(event.headers[header.version]),
      time: event.headers[header.time] ?? null,
    },
    deadLetters,
    replicas,
    traceId: traceIdOf(event?.headers[header.traceparent]) ?? null,
  };
}

/**
 * The entities that can have a key, with its canonical form.
 *
 * @param name only this entity; undefined: all.
 */
export const entitiesWithKey = (
  { entities }: Pick<Project, "entities">,
  name: string | undefined,
  key: string,
): { readonly entity: EntityDeclaration; readonly id: EntityId }[] =>
  entities.flatMap((entity) => {
    const id = name === undefined || name === entity.name ? readKey(entity, key) : undefined;
    return id === undefined ? [] : [{ entity, id }];
  });

/** True when the source, the log or a replica has or had the entity. */
export const isKnown = ({ source, setAside, event, replicas, deadLetters }: Journey): boolean =>
  source.state !== "unknown" ||
  setAside !== null ||
  event !== null ||
  deadLetters.length > 0 ||
  replicas.some(({ version }) => version !== null);
