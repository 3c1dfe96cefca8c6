import { expect, test } from "bun:test";
import { z } from "zod";
import type { Upcaster } from "../contracts/entity/declaration.ts";
import { type EntityEvent, header } from "../contracts/event.ts";
import type { StoredRecord } from "../kafka/log.ts";
import { deleteEvent, productDocument, storedEvent, upsertEvent } from "../tests/harness/product-events.ts";
import { product } from "../tests/project/index.ts";
import { type Reason, Rejection } from "./rejection.ts";
import { validatorOf } from "./validate.ts";

const validate = validatorOf(product, 12);
const validRecord = () => storedEvent(upsertEvent(productDocument()), 5, 12);
const withHeader = (name: string, value: string | undefined): StoredRecord => {
  const record = validRecord();
  const { [name]: _, ...rest } = record.headers;
  return { ...record, headers: value === undefined ? rest : { ...rest, [name]: value } };
};
const withValue = (value: Buffer | string | null): StoredRecord => ({
  ...validRecord(),
  value: typeof value === "string" ? Buffer.from(value) : value,
});
const withDocument = (change: Record<string, unknown>): StoredRecord => {
  const record = validRecord();
  return { ...record, value: Buffer.from(JSON.stringify({ ...JSON.parse(record.value!.toString()), ...change })) };
};
const reasonOf = (record: StoredRecord): Reason | undefined => {
  const result = validate(record);
  return result instanceof Rejection ? result.reason : undefined;
};

const rejected = (result: EntityEvent | Rejection): Rejection => {
  if (!(result instanceof Rejection)) throw new Error(`expected a rejection, got an event of ${result.id}`);
  return result;
};

test("an upsert and a delete are valid", () => {
  expect(reasonOf(validRecord())).toBeUndefined();
  expect(reasonOf(storedEvent(deleteEvent(Bun.randomUUIDv7(), 4), 0, 12))).toBeUndefined();
});

const invalid: [what: string, record: StoredRecord, reason: Reason, detail: string][] = [
  ["no CloudEvents version", withHeader(header.specversion, undefined), "missing-header", "ce_specversion is missing"],
  [
    "another CloudEvents version",
    withHeader(header.specversion, "0.3"),
    "missing-header",
    "ce_specversion must be 1.0",
  ],
  ["no type", withHeader(header.type, undefined), "missing-header", "ce_type is missing"],
  [
    "an undeclared type",
    withHeader(header.type, "lockstep.invoice.upserted"),
    "unknown-type",
    'product has no event type "lockstep.invoice.upserted"',
  ],
  ["no version", withHeader(header.version, undefined), "missing-header", "ce_entityversion is missing"],
  [
    "a version that is not a number",
    withHeader(header.version, "seven"),
    "missing-header",
    "ce_entityversion must be a whole number of at least 1",
  ],
  [
    "version 0",
    withHeader(header.version, "0"),
    "missing-header",
    "ce_entityversion must be a whole number of at least 1",
  ],
  [
    "a version above 2^53",
    withHeader(header.version, "9999999999999999"),
    "missing-header",
    "ce_entityversion must be a whole number of at least 1",
  ],
  [
    "a newer schema version",
    withHeader(header.schemaVersion, "99"),
    "unknown-schema-version",
    "schema version 99 of product is newer than version 1, which the stream supports: upgrade the stream, then replay",
  ],
  [
    "a time that is not RFC 3339",
    withHeader(header.time, "yesterday"),
    "missing-header",
    "ce_time must be a time in RFC 3339",
  ],
  [
    "a subject that is not a UUID",
    withHeader(header.subject, "42"),
    "wrong-key",
    "ce_subject must be the canonical text of a key of product",
  ],
  [
    "a subject other than the key",
    withHeader(header.subject, Bun.randomUUIDv7()),
    "wrong-key",
    "the key must equal ce_subject",
  ],
  ["no key", { ...validRecord(), key: null }, "wrong-key", "the key must equal ce_subject"],
  [
    "a partition other than the key's",
    { ...validRecord(), partition: (validRecord().partition + 1) % 12 },
    "wrong-partition",
    "this key belongs to partition",
  ],
  ["no value", withValue(null), "no-value", "the value is empty; a delete is an event with a value"],
  ["an empty value", withValue(""), "no-value", "the value is empty; a delete is an event with a value"],
  ["text", withValue("hello"), "malformed-json", "the value is not JSON in UTF-8 (SyntaxError)"],
  ["cut-off JSON", withValue('{"id":"'), "malformed-json", "the value is not JSON in UTF-8 (SyntaxError)"],
  [
    "bytes that are not UTF-8",
    withValue(Buffer.from([0xff, 0xfe, 0x7b])),
    "malformed-json",
    "the value is not JSON in UTF-8 (TypeError)",
  ],
  ["a list instead of a document", withValue("[]"), "invalid-document", "/: "],
  ["a price that is a number", withDocument({ price: 19.9 }), "invalid-document", "/price: "],
  ["a negative stock", withDocument({ stock: -1 }), "invalid-document", "/stock: "],
  ["an unknown member", withDocument({ colour: "red" }), "invalid-document", "/: "],
  ["a missing member", withDocument({ name: undefined }), "invalid-document", "/name: "],
  [
    "another id in the document",
    withDocument({ id: Bun.randomUUIDv7() }),
    "wrong-key",
    "the document's id is not the event's subject",
  ],
  [
    "another version in the document",
    withDocument({ version: 2 }),
    "invalid-document",
    "the document's version is not ce_entityversion",
  ],
];

for (const [what, record, reason, detail] of invalid)
  test(`${what} is rejected as ${reason}`, () => {
    // Ids are random, so the partition other than the key's is computed from the record's own key.
    const input = reason === "wrong-partition" ? { ...record, partition: otherPartition(record) } : record;
    const rejection = rejected(validate(input));
    expect(rejection.reason).toBe(reason);
    expect(rejection.detail).toStartWith(detail);
  });

const otherPartition = (record: StoredRecord): number =>
  (storedEvent(upsertEvent(productDocument({ id: record.key!.toString() })), 0, 12).partition + 1) % 12;

test("a rejection names the invalid member, and contains no value of the document", () => {
  const rejection = rejected(validate(withDocument({ cost: "secret-value" })));
  expect(rejection.detail).toContain("/cost");
  expect(`${rejection.detail}${rejection.stack}`).not.toContain("secret-value");
});

/** Validates products of the next schema version, which adds a weight. */
const nextVersion = (upcaster: Upcaster) =>
  validatorOf(
    {
      ...product,
      schemaVersion: product.schemaVersion + 1,
      fields: {
        ...product.fields,
        weight: { ...product.fields.stock!, schema: z.int().min(1), quickCheck: () => false },
      },
      upcasters: { ...product.upcasters, [product.schemaVersion]: upcaster },
    },
    12,
  );

test("P12: an event of an older schema version is upcast to the current one, then validated", () => {
  const event = nextVersion((document) => ({ ...document, weight: 7 }))(validRecord());
  if (event instanceof Rejection) throw new Error(event.detail);
  expect(event.document?.weight).toBe(7);
  expect(event.schemaVersion).toBe(product.schemaVersion + 1);
});

const rejectionAfter = (upcaster: Upcaster, record = validRecord()) => rejected(nextVersion(upcaster)(record));

test("P6: an upcaster that throws causes a rejection, which contains no value of the document", () => {
  const rejection = rejectionAfter(
    (document) => JSON.parse(String(document.cost)),
    withDocument({ cost: "secret-value" }),
  );
  expect(rejection.reason).toBe("upcast-failed");
  expect(rejection.detail).toContain("threw a SyntaxError");
  expect(rejection.stack).toContain("validate.unit.test.ts");
  expect(JSON.stringify(rejection)).not.toContain("secret-value");
});

test("the result of an upcaster is validated; a value that is not an object never reaches it", () => {
  const rejection = rejectionAfter((document) => ({ ...document, weight: 0 }));
  expect(rejection).toMatchObject({ reason: "invalid-document" });
  expect(rejection.detail).toContain("/weight");
  expect(rejection.detail).toContain("upcast from schema version 1");
  expect(rejectionAfter(() => ({ weight: 1 }), withValue("[]")).reason).toBe("invalid-document");
});

test("an upcaster cannot make another entity or version of a document", () => {
  expect(rejectionAfter((document) => ({ ...document, weight: 1, id: Bun.randomUUIDv7() })).reason).toBe("wrong-key");
  expect(rejectionAfter((document) => ({ ...document, weight: 1, version: 2 })).reason).toBe("invalid-document");
});

test("a delete is valid in every schema version, because it has no fields", () => {
  for (const schemaVersion of [1, 99]) {
    const event = { ...deleteEvent(Bun.randomUUIDv7(), 4), schemaVersion };
    expect(nextVersion((document) => document)(storedEvent(event, 0, 12))).toMatchObject({ document: null });
  }
});
