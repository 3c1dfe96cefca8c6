/** Steps 1 to 3 for one record: validate → dedupe → route. Pure: a decision has no clock, no I/O and no `await`. */
import { encodeDeadLetter } from "../contracts/dead-letter.ts";
import type { EntityDeclaration } from "../contracts/entity/declaration.ts";
import type { EntityId, Version } from "../contracts/entity/document.ts";
import { isKeyText } from "../contracts/entity/key.ts";
import { type EntityEvent, header } from "../contracts/event.ts";
import type { KnownVersion } from "../contracts/known-version.ts";
import { encodeRouted, routedHeaders } from "../contracts/routed-event.ts";
import { deadLetterTopic } from "../contracts/topics.ts";
import type { OutgoingRecord, StoredRecord } from "../kafka/log.ts";
import { traceIdOf } from "../observability/trace.ts";
import { freshness } from "./dedupe.ts";
import { internalRejection, Rejection } from "./rejection.ts";
import { route } from "./route.ts";
import type { Validate } from "./validate.ts";

/** A record for one of the stream's output topics. */
interface Output {
  readonly topic: string;
  readonly record: OutgoingRecord;
}

/** What an event changes in the stream's knowledge of its entity. */
interface EntityVersion extends KnownVersion {
  readonly id: EntityId;
}

interface BaseDecision {
  /** Offset of the input record. */
  readonly offset: number;
  readonly outputs: readonly Output[];
}

/** What follows from one input record. `filtered`: the event is new, but no replica's filter matches. */
export type Decision =
  | (BaseDecision & { readonly outcome: "routed" | "filtered"; readonly newest: EntityVersion })
  | (BaseDecision & { readonly outcome: "duplicate" | "stale" })
  | (BaseDecision & { readonly outcome: "invalid"; readonly rejection: Rejection; readonly source: RecordSource });

/** The outcomes of a decision, as `lockstep_stream_events_total` counts them. */
export type Outcome = Decision["outcome"];

/** Identifies a rejected record in log lines. Without a valid id or trace in the record, the member is missing. */
interface RecordSource {
  readonly id?: string;
  readonly traceId?: string;
}

/** What all decisions about one chunk of input have in common. */
export interface DecideContext {
  readonly entity: EntityDeclaration;
  /** Names of the replicas' topics, by replica. */
  readonly replicaTopics: ReadonlyMap<string, string>;
  readonly validate: Validate;
  /** Returns the `traceparent` header of the event's outputs. `replicas`: those whose filter matches. */
  readonly traceparentOf: (event: EntityEvent, offset: number, replicas: string[]) => string | undefined;
}

/**
 * Decides records in order; each decision knows the versions of the earlier ones.
 *
 * @param storedVersions the newest versions before the first record. An entity without an entry is new.
 * @returns the decisions, and the newest versions that they bring.
 */
export function decideAll(
  context: DecideContext,
  storedVersions: ReadonlyMap<EntityId, Version>,
  records: readonly StoredRecord[],
): { readonly decisions: readonly Decision[]; readonly changes: ReadonlyMap<EntityId, KnownVersion> } {
  const changes = new Map<EntityId, KnownVersion>();
  const newestOf = (id: EntityId) => changes.get(id)?.version ?? storedVersions.get(id);
  const decisions = records.map((record) => {
    const decision = decide(context, newestOf, record);
    if ("newest" in decision) changes.set(decision.newest.id, decision.newest);
    return decision;
  });
  return { decisions, changes };
}

function decide(
  context: DecideContext,
  newestOf: (id: EntityId) => Version | undefined,
  record: StoredRecord,
): Decision {
  const event = context.validate(record);
  if (event instanceof Rejection) return rejectRecord(context, record, event);
  const outcome = freshness(event.version, newestOf(event.id), event.resend !== undefined);
  switch (outcome) {
    case "fresh":
      return routeEvent(context, record, event);
    case "duplicate":
    case "stale":
      return { offset: record.offset, outcome, outputs: [] };
    default:
      return outcome satisfies never;
  }
}

/** Rejects the event when a filter or projection throws: that is a bug in the declaration, and others must not wait. */
function routeEvent(context: DecideContext, record: StoredRecord, event: EntityEvent): Decision {
  const { offset } = record;
  try {
    const deliveries = route(context.entity, event);
    const matching = deliveries.filter(({ document }) => document).map(({ replica }) => replica);
    const absent = deliveries.filter(({ document }) => !document).map(({ replica }) => replica);
    const headers = routedHeaders(event, offset, context.traceparentOf(event, offset, matching));
    return {
      offset,
      outcome: matching.length > 0 || event.document === null ? "routed" : "filtered",
      outputs: deliveries.map(({ replica, document }) => ({
        topic: context.replicaTopics.get(replica)!,
        record: encodeRouted(event, document, headers),
      })),
      newest: { id: event.id, version: event.version, absent },
    };
  } catch (error) {
    return rejectRecord(context, record, internalRejection(error));
  }
}

const rejectRecord = ({ entity }: DecideContext, record: StoredRecord, rejection: Rejection): Decision => ({
  offset: record.offset,
  outcome: "invalid",
  outputs: [{ topic: deadLetterTopic(entity).name, record: encodeDeadLetter(record, rejection) }],
  rejection,
  source: sourceOf(record),
});

function sourceOf({ key, headers }: StoredRecord): RecordSource {
  const id = key?.toString() ?? "";
  const traceId = traceIdOf(headers[header.traceparent]);
  // A key that is no id may contain anything, so it stays out of the log.
  return { ...(isKeyText(id) ? { id } : {}), ...(traceId ? { traceId } : {}) };
}
