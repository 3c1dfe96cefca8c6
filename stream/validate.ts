/** Bytes → event or rejection. Pure: the same record is judged the same in every replay. */
import { z } from "zod";
import type { ReasonName, reasons } from "../contracts/dead-letter.ts";
import type { EntityDeclaration } from "../contracts/entity/declaration.ts";
import { type Document, ID } from "../contracts/entity/document.ts";
import type { Fits } from "../contracts/entity/fits.ts";
import { documentSchema, fitsDocument } from "../contracts/entity/schemas.ts";
import { UpcastError, upcast } from "../contracts/entity/upcast.ts";
import { deletedSchema, type EntityEvent, header, type Operation, operationsOf } from "../contracts/event.ts";
import type { StoredRecord } from "../kafka/log.ts";
import { partitionForKey } from "../kafka/partitioner.ts";

/** Why a record is not an event that can be routed. */
export type Reason = { [R in ReasonName]: (typeof reasons)[R]["by"] extends "stream" ? R : never }[ReasonName];

export interface Rejection {
  readonly reason: Reason;
  /** For people: which part is wrong, and what was expected. Holds no value of the document, which may be private. */
  readonly detail: string;
  readonly stack: string;
}

export type ValidationResult = { readonly event: EntityEvent } | { readonly rejection: Rejection };

class Rejected extends Error {
  constructor(
    readonly reason: Reason,
    message: string,
    /** Where it went wrong in code that is not ours. */
    readonly origin?: unknown,
  ) {
    super(message);
  }
}

const utf8 = new TextDecoder("utf-8", { fatal: true });
const anyDocument = z.record(z.string(), z.unknown());

/** Judges records of one entity's events topic. */
export function validatorOf(entity: EntityDeclaration, partitions: number): (record: StoredRecord) => ValidationResult {
  const by = {
    entity,
    schema: documentSchema(entity),
    fits: fitsDocument(entity),
    operations: operationsOf(entity),
    partitions,
  };
  return (record) => {
    try {
      return { event: judge(by, record) };
    } catch (error) {
      return { rejection: rejectionOf(error) };
    }
  };
}

/** The rejection for an exception: a {@link Rejected} says its reason, anything else is a mistake of ours. */
export function rejectionOf(error: unknown): Rejection {
  const thrown = error instanceof Error ? error : new Error(String(error));
  if (!(thrown instanceof Rejected))
    return { reason: "internal", detail: thrown.message, stack: thrown.stack ?? thrown.message };
  const { reason, message, origin } = thrown;
  // Without the first lines of the origin's: its message may quote a value of the document.
  const places = origin instanceof Error ? (origin.stack ?? "").split("\n").filter((line) => /^\s+at /.test(line)) : [];
  return { reason, detail: message, stack: [thrown.stack ?? message, ...places].join("\n") };
}

interface Rules {
  readonly entity: EntityDeclaration;
  readonly schema: z.ZodObject;
  readonly fits: Fits;
  readonly operations: ReadonlyMap<string, Operation>;
  readonly partitions: number;
}

function judge(by: Rules, record: StoredRecord): EntityEvent {
  const { entity, operations, partitions } = by;
  if (need(record, header.specversion) !== "1.0")
    throw new Rejected("missing-header", `${header.specversion} must be 1.0`);
  const type = need(record, header.type);
  const operation = operations.get(type);
  if (!operation)
    throw new Rejected("unknown-type", `no event of ${entity.name} has the type ${JSON.stringify(type.slice(0, 100))}`);
  const schemaVersion = wholeNumber(record, header.schemaVersion);
  const version = wholeNumber(record, header.version);
  const time = need(record, header.time);
  if (Number.isNaN(Date.parse(time))) throw new Rejected("missing-header", `${header.time} must be a time in RFC 3339`);
  const id = placeOf(record, partitions);

  const value = parse(record.value);
  const data = operation === "deleted" ? checked(deletedSchema, value, "") : current(by, value, schemaVersion);
  if (data.id !== id) throw new Rejected("wrong-key", "the document's id is not the event's subject");
  if (data.version !== version)
    throw new Rejected("invalid-document", `the document's version is not ${header.version}`);
  return {
    entity: entity.name,
    id,
    version,
    operation,
    time,
    // Whatever it was written as: this is what goes on from here.
    schemaVersion: entity.schemaVersion,
    document: operation === "deleted" ? null : data,
    traceparent: record.headers[header.traceparent] || undefined,
    actor: record.headers[header.actor] || undefined,
    digest: record.headers[header.digest] || undefined,
    resend: record.headers[header.resend] || undefined,
  };
}

/**
 * The document in today's shape. An older one is upcast before it is judged: today's schema says nothing about it. A delete has no
 * shape, so it never comes here and is read whatever version its writer had.
 */
function current({ entity, schema, fits }: Rules, value: unknown, from: number): Document {
  if (from > entity.schemaVersion)
    throw new Rejected(
      "unknown-schema-version",
      `schema version ${from} of ${entity.name} is newer than this stream knows (${entity.schemaVersion}): upgrade the stream, then replay`,
    );
  if (from === entity.schemaVersion) return fits(value) ? (value as Document) : checked(schema, value, "");
  try {
    return checked(
      schema,
      upcast(entity, checked(anyDocument, value, ""), from),
      ` (upcast from schema version ${from})`,
    );
  } catch (error) {
    if (error instanceof UpcastError) throw new Rejected("upcast-failed", error.message, error.cause);
    throw error;
  }
}

function checked(schema: z.ZodType<Document>, value: unknown, how: string): Document {
  const result = schema.safeParse(value);
  if (!result.success) throw new Rejected("invalid-document", explain(result.error) + how);
  return result.data;
}

/** Key, subject and partition must agree: otherwise two owners would write one entity, and its order would be lost. */
function placeOf(record: StoredRecord, partitions: number): string {
  const subject = need(record, header.subject);
  if (!ID.test(subject)) throw new Rejected("wrong-key", `${header.subject} must be a UUID in lower case`);
  if (record.key?.toString("latin1") !== subject) throw new Rejected("wrong-key", `the key must be ${header.subject}`);
  const partition = partitionForKey(record.key, partitions);
  if (partition !== record.partition)
    throw new Rejected("wrong-partition", `this key belongs to partition ${partition}, not ${record.partition}`);
  return subject;
}

function need(record: StoredRecord, name: string): string {
  const value = record.headers[name];
  if (value === undefined || value === "") throw new Rejected("missing-header", `${name} is missing`);
  return value;
}

function wholeNumber(record: StoredRecord, name: string): number {
  const text = need(record, name);
  const value = Number(text);
  if (!/^[1-9]\d{0,15}$/.test(text) || !Number.isSafeInteger(value))
    throw new Rejected("missing-header", `${name} must be a whole number from 1`);
  return value;
}

function parse(value: Buffer | null): unknown {
  if (value === null || value.length === 0)
    throw new Rejected("no-value", "the value is empty; a delete is an event of its own");
  try {
    return JSON.parse(utf8.decode(value));
  } catch (error) {
    throw new Rejected(
      "malformed-json",
      `the value is not JSON in UTF-8 (${error instanceof Error ? error.name : "unreadable"})`,
    );
  }
}

const explain = (error: z.ZodError): string =>
  error.issues
    .slice(0, 10)
    .map((issue) => `/${issue.path.join("/")}: ${issue.message}`)
    .join("; ");
