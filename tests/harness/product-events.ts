/** Builds events of the product entity, for tests that write to the log directly. */
import type { Document } from "../../contracts/entity/document.ts";
import { type EntityEvent, encodeEvent } from "../../contracts/event.ts";
import { eventsTopic } from "../../contracts/topics.ts";
import type { StoredRecord } from "../../kafka/log.ts";
import { partitionForKey } from "../../kafka/partitioner.ts";
import { product } from "../project/index.ts";

/** Returns a valid product document with `overrides`. */
export function productDocument(overrides: Document = {}): Document {
  const id = (overrides.id as string | undefined) ?? Bun.randomUUIDv7();
  return {
    id,
    sku: `sku-${id}`,
    name: "Coffee",
    description: "",
    price: "19.90",
    currency: "BRL",
    cost: "7.10",
    stock: 3,
    status: "active",
    tags: ["drink"],
    createdAt: "2026-01-01T00:00:00.000Z",
    updatedAt: "2026-01-01T00:00:00.000Z",
    version: 1,
    ...overrides,
  };
}

/** Returns the event that announces `document`. */
export function upsertEvent(document: Document): EntityEvent {
  return {
    entity: product.name,
    id: document.id as string,
    version: document.version as number,
    operation: "upserted",
    time: "2026-01-01T00:00:00.000000Z",
    schemaVersion: product.schemaVersion,
    document,
  };
}

/** Returns the event that announces the delete of a product. */
export function deleteEvent(id: string, version: number): EntityEvent {
  return {
    entity: product.name,
    id,
    version,
    operation: "deleted",
    time: "2026-01-01T00:00:00.000000Z",
    schemaVersion: product.schemaVersion,
    document: null,
  };
}

/** Returns the event as the log delivers it, in the partition of its key. */
export function storedEvent(event: EntityEvent, offset: number, partitions: number): StoredRecord {
  const { key, value, headers } = encodeEvent(event);
  return {
    topic: eventsTopic(product).name,
    partition: partitionForKey(key, partitions),
    offset,
    timestampMs: 0,
    key: Buffer.from(key),
    value: value === null ? null : Buffer.from(value),
    headers,
    rawHeaders: Object.fromEntries(Object.entries(headers).map(([name, text]) => [name, Buffer.from(text)])),
  };
}
