import { expect, test } from "bun:test";
import { product } from "../contracts/entities/product.ts";
import { rowOf } from "../contracts/entity/row.ts";
import { header } from "../contracts/event.ts";
import { productDocument } from "../tests/harness/product-events.ts";
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
  const { value, headers } = toEventRecord(product, row({ ...rowOf(document), weight_grams: 5 }), undefined);
  expect(JSON.parse(String(value))).toEqual(document);
  expect(headers[header.schemaVersion]).toBe(String(product.schemaVersion));
});

test("a row without a declared column is rejected, and the error names the column", () => {
  const { price: _, ...data } = rowOf(document);
  expect(() => toEventRecord(product, row(data), undefined)).toThrow(
    new UnsendableRowError("missing-column", "the row has no column price, which schema version 1 declares"),
  );
  expect(toEventRecord(product, row(null), undefined).value).toContain('"version":1');
});

test("an event has every digit of a number of the row", () => {
  const captured = { ...row(rowOf(document)), data: JSON.stringify(rowOf({ ...document, price: 0, stock: 1 })) };
  const data = captured.data
    .replace('"price":0', '"price":1234567890.12345678')
    .replace('"stock":1', '"stock":9007199254740993');
  const { value } = toEventRecord(product, { ...captured, data }, undefined);
  expect(JSON.parse(String(value))).toMatchObject({ price: "1234567890.12345678", stock: "9007199254740993" });
});
