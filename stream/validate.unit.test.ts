import { expect, test } from "bun:test";
import { product } from "../contracts/entities/product.ts";
import { defineEntity, type Upcaster } from "../contracts/entity/declaration.ts";
import { integer } from "../contracts/entity/fields.ts";
import { header } from "../contracts/event.ts";
import type { StoredRecord } from "../kafka/log.ts";
import { deleted, productDocument, storedEvent, upserted } from "../tests/harness/events.ts";
import { type Reason, validatorOf } from "./validate.ts";

const validate = validatorOf(product, 12);
const good = () => storedEvent(upserted(productDocument()), 5, 12);
const withHeader = (name: string, value: string | undefined): StoredRecord => {
  const record = good();
  const { [name]: _, ...rest } = record.headers;
  return { ...record, headers: value === undefined ? rest : { ...rest, [name]: value } };
};
const withValue = (value: Buffer | string | null): StoredRecord => ({
  ...good(),
  value: typeof value === "string" ? Buffer.from(value) : value,
});
const withDocument = (change: Record<string, unknown>): StoredRecord => {
  const record = good();
  return { ...record, value: Buffer.from(JSON.stringify({ ...JSON.parse(record.value!.toString()), ...change })) };
};
const reasonOf = (record: StoredRecord): Reason | undefined => {
  const verdict = validate(record);
  return "rejection" in verdict ? verdict.rejection.reason : undefined;
};

test("an upsert and a delete of the source are valid", () => {
  expect(reasonOf(good())).toBeUndefined();
  expect(reasonOf(storedEvent(deleted(Bun.randomUUIDv7(), 4), 0, 12))).toBeUndefined();
});

const garbage: [string, StoredRecord, Reason][] = [
  ["no CloudEvents version", withHeader(header.specversion, undefined), "missing-header"],
  ["another CloudEvents version", withHeader(header.specversion, "0.3"), "missing-header"],
  ["no type", withHeader(header.type, undefined), "missing-header"],
  ["a type nobody declared", withHeader(header.type, "lockstep.invoice.upserted"), "unknown-type"],
  ["no version", withHeader(header.version, undefined), "missing-header"],
  ["a version that is not a number", withHeader(header.version, "seven"), "missing-header"],
  ["version 0", withHeader(header.version, "0"), "missing-header"],
  ["a version beyond 2^53", withHeader(header.version, "9999999999999999"), "missing-header"],
  ["a schema version from the future", withHeader(header.schemaVersion, "99"), "unknown-schema-version"],
  ["a time that is none", withHeader(header.time, "yesterday"), "missing-header"],
  ["a subject that is no UUID", withHeader(header.subject, "42"), "wrong-key"],
  ["another subject than the key", withHeader(header.subject, Bun.randomUUIDv7()), "wrong-key"],
  ["no key", { ...good(), key: null }, "wrong-key"],
  ["another partition than the key's", { ...good(), partition: (good().partition + 1) % 12 }, "wrong-partition"],
  ["no value", withValue(null), "no-value"],
  ["an empty value", withValue(""), "no-value"],
  ["text", withValue("hello"), "malformed-json"],
  ["cut-off JSON", withValue('{"id":"'), "malformed-json"],
  ["bytes that are no UTF-8", withValue(Buffer.from([0xff, 0xfe, 0x7b])), "malformed-json"],
  ["a list instead of a document", withValue("[]"), "invalid-document"],
  ["a price that is a number", withDocument({ price: 19.9 }), "invalid-document"],
  ["a negative stock", withDocument({ stock: -1 }), "invalid-document"],
  ["an unknown member", withDocument({ colour: "red" }), "invalid-document"],
  ["a missing member", withDocument({ name: undefined }), "invalid-document"],
  ["another id in the document", withDocument({ id: Bun.randomUUIDv7() }), "wrong-key"],
  ["another version in the document", withDocument({ version: 2 }), "invalid-document"],
];

for (const [what, record, reason] of garbage)
  test(`${what} is rejected as ${reason}`, () => {
    // The wrong-partition case must differ from its own key's partition, whatever the id.
    const judged =
      reason === "wrong-partition" ? { ...record, key: record.key, partition: otherPartition(record) } : record;
    expect(reasonOf(judged)).toBe(reason);
  });

const otherPartition = (record: StoredRecord): number =>
  (storedEvent(upserted(productDocument({ id: record.key!.toString() })), 0, 12).partition + 1) % 12;

test("a rejection tells where the document is wrong, and no value of it", () => {
  const verdict = validate(withDocument({ cost: "secret-canary" }));
  if (!("rejection" in verdict)) throw new Error("expected a rejection");
  expect(verdict.rejection.detail).toContain("/cost");
  expect(`${verdict.rejection.detail}${verdict.rejection.stack}`).not.toContain("secret-canary");
});

/** The product a schema version later: it has a weight. */
const later = (upcaster: Upcaster) =>
  validatorOf(
    defineEntity({
      ...product,
      schemaVersion: product.schemaVersion + 1,
      fields: { ...product.fields, weight: integer({ min: 1, max: 100 }) },
      upcasters: { ...product.upcasters, [product.schemaVersion]: upcaster },
    }),
    12,
  );

test("P12: an event of an earlier schema version is upcast before it is judged, and goes on in today's shape", () => {
  const verdict = later((document) => ({ ...document, weight: 7 }))(good());
  if (!("event" in verdict)) throw new Error(verdict.rejection.detail);
  expect(verdict.event.document?.weight).toBe(7);
  expect(verdict.event.schemaVersion).toBe(product.schemaVersion + 1);
});

const upcastBy = (upcaster: Upcaster, record = good()) => {
  const verdict = later(upcaster)(record);
  if (!("rejection" in verdict)) throw new Error("expected a rejection");
  return verdict.rejection;
};

test("P6: an upcaster that throws makes a dead letter that says so, and holds no value of the document", () => {
  const rejection = upcastBy((document) => JSON.parse(String(document.cost)), withDocument({ cost: "secret-canary" }));
  expect(rejection.reason).toBe("upcast-failed");
  expect(rejection.detail).toContain("threw a SyntaxError");
  expect(rejection.stack).toContain("validate.unit.test.ts");
  expect(JSON.stringify(rejection)).not.toContain("canary");
});

test("what an upcaster gives is judged by today's schema; what it never could have read is not given to it", () => {
  const rejection = upcastBy((document) => ({ ...document, weight: 0 }));
  expect(rejection).toMatchObject({ reason: "invalid-document" });
  expect(rejection.detail).toContain("/weight");
  expect(rejection.detail).toContain("upcast from schema version 1");
  expect(upcastBy(() => ({ weight: 1 }), withValue("[]")).reason).toBe("invalid-document");
});

test("an upcaster cannot make another entity or version of a document", () => {
  expect(upcastBy((document) => ({ ...document, weight: 1, id: Bun.randomUUIDv7() })).reason).toBe("wrong-key");
  expect(upcastBy((document) => ({ ...document, weight: 1, version: 2 })).reason).toBe("invalid-document");
});

test("a delete has no shape: it is valid whatever schema version its writer had", () => {
  for (const schemaVersion of [1, 99]) {
    const event = { ...deleted(Bun.randomUUIDv7(), 4), schemaVersion };
    expect(later((document) => document)(storedEvent(event, 0, 12))).toMatchObject({ event: { document: null } });
  }
});
