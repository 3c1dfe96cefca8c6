import { expect, test } from "bun:test";
import { product } from "../contracts/entities/product.ts";
import { header } from "../contracts/event.ts";
import type { StoredRecord } from "../platform/log/log.ts";
import { deleted, productDocument, storedEvent, upserted } from "../tests/harness/events.ts";
import { type Reason, validator } from "./validate.ts";

const validate = validator(product, 12);
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
