/** Step 1 of the stream: bytes → event or rejection. Pure, so every replay of a record gives the same result. */
import { z } from "zod";
import type { EntityDeclaration } from "../contracts/entity/declaration.ts";
import type { Document } from "../contracts/entity/document.ts";
import { isKeyOf, readKey } from "../contracts/entity/key.ts";
import { parseDocument } from "../contracts/entity/parse.ts";
import { type QuickCheck, quickCheckOf, quickObjectCheck } from "../contracts/entity/quick-check.ts";
import { documentSchema, quickDocumentCheck } from "../contracts/entity/schemas.ts";
import { UpcastError, upcast } from "../contracts/entity/upcast.ts";
import { deletedSchema, type EntityEvent, header, type Operation, operationsOf } from "../contracts/event.ts";
import type { StoredRecord } from "../kafka/log.ts";
import { partitionForKey } from "../kafka/partitioner.ts";
import { internalRejection, Rejection, reject } from "./rejection.ts";

/** Validates one record. Never throws: an unexpected error becomes a rejection with the reason `internal`. */
export type Validate = (record: StoredRecord) => EntityEvent | Rejection;

interface Rules {
  readonly entity: EntityDeclaration;
  readonly schema: z.ZodObject;
  readonly fits: QuickCheck;
  readonly operations: ReadonlyMap<string, Operation>;
  readonly partitions: number;
}

/** The CloudEvents attributes that need a check. */
interface Attributes {
  readonly operation: Operation;
  readonly schemaVersion: number;
  readonly version: number;
  readonly time: string;
}

const utf8 = new TextDecoder("utf-8", { fatal: true });
const anyDocument = z.record(z.string(), z.unknown());

/**
 * Makes the validation of one entity's events topic.
 *
 * @param partitions number of partitions of the topic.
 */
export function validatorOf(entity: EntityDeclaration, partitions: number): Validate {
  const rules: Rules = {
    entity,
    schema: documentSchema(entity),
    fits: quickDocumentCheck(entity),
    operations: operationsOf(entity),
    partitions,
  };
  return (record) => {
    try {
      return validate(rules, record);
    } catch (error) {
      return internalRejection(error);
    }
  };
}

function validate(rules: Rules, record: StoredRecord): EntityEvent | Rejection {
  const attributes = readAttributes(rules, record);
  if (attributes instanceof Rejection) return attributes;
  const id = readId(rules, record);
  if (id instanceof Rejection) return id;
  const data = readData(rules, attributes, record.value);
  if (data instanceof Rejection) return data;
  const { operation, version, time } = attributes;
  const mismatch = findMismatch(rules.entity, attributes, id, data);
  if (mismatch) return mismatch;
  return {
    namespace: rules.entity.namespace,
    entity: rules.entity.name,
    id,
    version,
    operation,
    time,
    // The document now has the current shape, whatever version it was written in.
    schemaVersion: rules.entity.schemaVersion,
    document: operation === "deleted" ? null : data,
    traceparent: record.headers[header.traceparent] || undefined,
    actor: record.headers[header.actor] || undefined,
    digest: record.headers[header.digest] || undefined,
    resend: record.headers[header.resend] || undefined,
  };
}

function readAttributes({ entity, operations }: Rules, record: StoredRecord): Attributes | Rejection {
  const specversion = requiredHeader(record, header.specversion);
  if (specversion instanceof Rejection) return specversion;
  if (specversion !== "1.0") return reject("missing-header", `${header.specversion} must be 1.0`);
  const type = requiredHeader(record, header.type);
  if (type instanceof Rejection) return type;
  const operation = operations.get(type);
  if (!operation)
    return reject("unknown-type", `${entity.name} has no event type ${JSON.stringify(type.slice(0, 100))}`);
  const schemaVersion = positiveInteger(record, header.schemaVersion);
  if (schemaVersion instanceof Rejection) return schemaVersion;
  const version = positiveInteger(record, header.version);
  if (version instanceof Rejection) return version;
  const time = requiredHeader(record, header.time);
  if (time instanceof Rejection) return time;
  if (Number.isNaN(Date.parse(time))) return reject("missing-header", `${header.time} must be a time in RFC 3339`);
  return { operation, schemaVersion, version, time };
}

/** Checks that the value belongs to the event. A delete's value has its id and version. */
function findMismatch(
  entity: EntityDeclaration,
  { operation, version }: Attributes,
  id: string,
  data: Document,
): Rejection | undefined {
  const isDelete = operation === "deleted";
  if (isDelete ? data.id !== id : !isKeyOf(entity, id, data))
    return reject("wrong-key", "the document's id is not the event's subject");
  const member = isDelete ? "version" : entity.version;
  if (member !== undefined && data[member] !== version)
    return reject("invalid-document", `the document's version is not ${header.version}`);
  return undefined;
}

/** Checks that key, subject and partition agree. Otherwise two owners would write one entity in an undefined order. */
function readId({ entity, partitions }: Rules, record: StoredRecord): string | Rejection {
  const subject = requiredHeader(record, header.subject);
  if (subject instanceof Rejection) return subject;
  if (readKey(entity, subject) !== subject)
    return reject("wrong-key", `${header.subject} must be the canonical text of a key of ${entity.name}`);
  if (record.key?.toString() !== subject) return reject("wrong-key", `the key must equal ${header.subject}`);
  const partition = partitionForKey(record.key, partitions);
  return partition === record.partition
    ? subject
    : reject("wrong-partition", `this key belongs to partition ${partition}, not ${record.partition}`);
}

/** A delete has only id and version, so it is valid whatever schema version its writer had. */
function readData(rules: Rules, attributes: Attributes, value: Buffer | null): Document | Rejection {
  const parsed = parseJson(rules.entity, value);
  if (parsed instanceof Rejection) return parsed;
  return attributes.operation === "deleted"
    ? readDelete(parsed)
    : readDocument(rules, parsed, attributes.schemaVersion);
}

const isDeleted = quickObjectCheck({
  id: { quickCheck: quickCheckOf(deletedSchema.shape.id) },
  version: { quickCheck: quickCheckOf(deletedSchema.shape.version) },
});

const readDelete = (value: unknown): Document | Rejection =>
  isDeleted(value) ? (value as Document) : matchSchema(deletedSchema, value);

/** Upcasts a document of an older schema version first, because the current schema does not describe it. */
function readDocument({ entity, schema, fits }: Rules, value: unknown, writtenIn: number): Document | Rejection {
  if (writtenIn > entity.schemaVersion)
    return reject(
      "unknown-schema-version",
      `schema version ${writtenIn} of ${entity.name} is newer than version ${entity.schemaVersion}, which the stream ` +
        "supports: upgrade the stream, then replay",
    );
  if (writtenIn === entity.schemaVersion) return fits(value) ? (value as Document) : matchSchema(schema, value);
  const document = matchSchema(anyDocument, value);
  if (document instanceof Rejection) return document;
  try {
    return matchSchema(schema, upcast(entity, document, writtenIn), ` (upcast from schema version ${writtenIn})`);
  } catch (error) {
    if (error instanceof UpcastError) return reject("upcast-failed", error.message, error.cause);
    throw error;
  }
}

/** @param suffix is added to the detail of the rejection. */
function matchSchema(schema: z.ZodType<Document>, value: unknown, suffix = ""): Document | Rejection {
  const result = schema.safeParse(value);
  return result.success ? result.data : reject("invalid-document", describeIssues(result.error) + suffix);
}

function requiredHeader(record: StoredRecord, name: string): string | Rejection {
  return record.headers[name] || reject("missing-header", `${name} is missing`);
}

function positiveInteger(record: StoredRecord, name: string): number | Rejection {
  const text = requiredHeader(record, name);
  if (text instanceof Rejection) return text;
  const value = Number(text);
  return /^[1-9]\d{0,15}$/.test(text) && Number.isSafeInteger(value)
    ? value
    : reject("missing-header", `${name} must be a whole number of at least 1`);
}

function parseJson(entity: EntityDeclaration, value: Buffer | null): unknown {
  if (value === null || value.length === 0)
    return reject("no-value", "the value is empty; a delete is an event with a value");
  try {
    return parseDocument(entity, utf8.decode(value));
  } catch (error) {
    const { name } = error instanceof Error ? error : { name: "unreadable" };
    return reject("malformed-json", `the value is not JSON in UTF-8 (${name})`);
  }
}

const describeIssues = (error: z.ZodError): string =>
  error.issues
    .slice(0, 10)
    .map((issue) => `/${issue.path.join("/")}: ${issue.message}`)
    .join("; ");
