import { expect, test } from "bun:test";
import { rowOf } from "../contracts/entity/row.ts";
import { header } from "../contracts/event.ts";
import { productDocument } from "../tests/harness/product-events.ts";
import { product } from "../tests/project/index.ts";
import { toEventRecord, UnsendableRowError } from "./event-record.ts";
import type { OutboxRow } from "./outbox.ts";

const document = productDocument();
const row = (data: Record<string, unknown> | null): OutboxRow => ({
  seq: "1",
  entity: "product",
  id: document.id as string,
  version: 1,
  operation: data ? "upserted" : "deleted",
  data: data && JSON.stringify(data),
  bytes: 100,
  traceparent: null,
  transaction: "7",
  actor: null,
  digest: null,
  resend: null,
  time: "2026-01-01T00:00:00.000000Z",
});

test("an event has the declared fields only, even when the table has more columns", () => {
  const { value, headers } = toEventRecord(product, row({ ...rowOf(product, document), weight_grams: 5 }), undefined);
  expect(JSON.parse(String(value))).toEqual(document);
  expect(headers[header.schemaVersion]).toBe(String(product.schemaVersion));
});

test("a row without a declared column is rejected, and the error names the column", () => {
  const { price: _, ...data } = rowOf(product, document);
  expect(() => toEventRecord(product, row(data), undefined)).toThrow(
    new UnsendableRowError("missing-column", "the row has no column price, which schema version 1 declares"),
  );
  expect(toEventRecord(product, row(null), undefined).value).toContain('"version":1');
});

test("an event has every digit of a number of the row", () => {
  const captured = {
    ...row(rowOf(product, document)),
    data: JSON.stringify(rowOf(product, { ...document, price: 0, stock: 1 })),
  };
  const data = captured.data
    .replace('"price":0', '"price":1234567890.12345678')
    .replace('"stock":1', '"stock":9007199254740993');
  const { value } = toEventRecord(product, { ...captured, data }, undefined);
  expect(JSON.parse(String(value))).toMatchObject({ price: "1234567890.12345678", stock: "9007199254740993" });
});

test("a row that is too large, or whose version is not exact, is rejected with its size or the limit", () => {
  expect(() => toEventRecord(product, { ...row(null), bytes: 8_000_001 }, undefined)).toThrow(
    new UnsendableRowError("record-too-large", "the row has 8000001 bytes; the relay reads at most 8000000"),
  );
  expect(() => toEventRecord(product, { ...row(null), version: 2 ** 53 }, undefined)).toThrow(
    new UnsendableRowError(
      "version-too-large",
      "the version is above 9007199254740991, so a JSON number cannot hold it exactly",
    ),
  );
});

test("P11: a resend has another id than the first event of its version, and says so in a header", () => {
  const headersOf = (resend: string | null) => toEventRecord(product, { ...row(null), resend }, undefined).headers;
  const [first, resent, again] = [headersOf(null), headersOf("7"), headersOf("8")];
  expect(new Set([first, resent, again].map((headers) => headers[header.id])).size).toBe(3);
  expect([first, resent, again].map((headers) => headers[header.resend])).toEqual([undefined, "7", "8"]);
});
