/** One input record → everything that follows from it: validate → dedupe → route. Pure but for reading what is known. */
import { encodeDeadLetter } from "../contracts/dead-letter.ts";
import type { EntityDeclaration } from "../contracts/entity/declaration.ts";
import type { EntityId, Version } from "../contracts/entity/document.ts";
import { encodeRouted, header, routedHeaders } from "../contracts/event.ts";
import { isId } from "../contracts/pages.ts";
import { deadLetterTopic } from "../contracts/topics.ts";
import type { OutgoingRecord, StoredRecord } from "../kafka/log.ts";
import type { BatchSpans } from "../observability/batch-spans.ts";
import { traceIdOf } from "../observability/trace.ts";
import { freshness } from "./dedupe.ts";
import { route } from "./route.ts";
import { type Rejection, rejectionOf, type ValidationResult } from "./validate.ts";

export type Outcome = "routed" | "filtered" | "duplicate" | "stale" | "invalid";

export interface Output {
  readonly topic: string;
  readonly record: OutgoingRecord;
}

export interface Decision {
  readonly offset: number;
  readonly outcome: Outcome;
  readonly outputs: readonly Output[];
  /** The entity's newest version from now on. */
  readonly change?: { readonly id: EntityId; readonly version: Version };
  readonly rejection?: Rejection;
  /** What a log line says of a rejected record: whose it is, and its trace, as far as it tells. */
  readonly about?: { readonly id?: string; readonly traceId?: string };
}

/** What a decision is made with. */
export interface DecideContext {
  readonly entity: EntityDeclaration;
  /** Replica → the name of its topic. */
  readonly topics: ReadonlyMap<string, string>;
  readonly validate: (record: StoredRecord) => ValidationResult;
  readonly known: (id: EntityId) => Version | undefined;
  /** Ended when the outputs are stored. */
  readonly spans: Pick<BatchSpans, "of">;
}

export function decide({ entity, topics, validate, known, spans }: DecideContext, record: StoredRecord): Decision {
  const verdict = validate(record);
  if ("rejection" in verdict) return rejected(entity, record, verdict.rejection);
  const { event } = verdict;
  const fresh = freshness(event.version, known(event.id), event.resend !== undefined);
  if (fresh !== "fresh") return { offset: record.offset, outcome: fresh, outputs: [] };
  try {
    const deliveries = route(entity, event);
    const taken = deliveries.filter(({ document }) => document).map(({ replica }) => replica);
    const span = spans.of({
      parent: event.traceparent,
      sinceMs: Date.parse(event.time),
      attributes: {
        "messaging.kafka.offset": record.offset,
        "lockstep.entity.version": event.version,
        "lockstep.replicas": taken,
      },
    });
    const headers = routedHeaders(event, record.offset, span.traceparent);
    return {
      offset: record.offset,
      outcome: taken.length > 0 || event.document === null ? "routed" : "filtered",
      outputs: deliveries.map((delivery) => ({
        topic: topics.get(delivery.replica)!,
        record: encodeRouted(event, delivery.document, headers),
      })),
      change: { id: event.id, version: event.version },
    };
  } catch (error) {
    // A filter or projection that fails on a valid document is a mistake in the declaration: it must not stop the others.
    return rejected(entity, record, rejectionOf(error));
  }
}

const rejected = (entity: EntityDeclaration, record: StoredRecord, rejection: Rejection): Decision => ({
  offset: record.offset,
  outcome: "invalid",
  outputs: [{ topic: deadLetterTopic(entity).name, record: encodeDeadLetter(record, rejection) }],
  rejection,
  about: aboutOf(record),
});

function aboutOf({ key, headers }: StoredRecord): NonNullable<Decision["about"]> {
  const id = key?.toString() ?? "";
  const traceId = traceIdOf(headers[header.traceparent]);
  // What is no id may be anything, and is not for a log.
  return { ...(isId(id) ? { id } : {}), ...(traceId ? { traceId } : {}) };
}
