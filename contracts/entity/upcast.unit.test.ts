import { expect, test } from "bun:test";
import { idColumn, ownColumns, ownOptions } from "../../tests/harness/own-columns.ts";
import type { EntityEvent } from "../event.ts";
import { decodeRouted, encodeRouted, NewerSchemaVersionError, routedHeaders } from "../routed-event.ts";
import { integer, pgTable, text } from "./columns.ts";
import type { ReplicaDeclaration } from "./declaration.ts";
import { defineEntity } from "./define-entity.ts";
import type { Document } from "./document.ts";
import { UpcastError, upcast } from "./upcast.ts";

const things = pgTable("things", {
  ...idColumn,
  title: text().notNull(),
  size: integer().notNull(),
  secret: text().notNull(),
  ...ownColumns,
});
const thing = defineEntity(things, {
  name: "thing",
  schemaVersion: 3,
  ...ownOptions,
  private: ["secret"],
  upcasters: {
    1: ({ name, ...others }) => ({ ...others, title: name }),
    2: ({ secret, ...others }) => ({ ...others, secret: (secret as string).trim(), size: 0 }),
  },
  replicas: {
    all: { upcasters: { 2: (sent) => ({ ...sent, size: 0 }) } },
    rest: {},
    short: { upcasters: { 2: (sent) => ({ ...sent }) } },
  },
});
const [all, rest, short] = thing.replicas as [ReplicaDeclaration, ReplicaDeclaration, ReplicaDeclaration];
const id = Bun.randomUUIDv7();
const times = { createdAt: "2026-01-01T00:00:00.000Z", updatedAt: "2026-01-01T00:00:00.000Z" };

/** A message of a replica's topic, as a stream with this schema version wrote it. */
const message = (schemaVersion: number, document: Document | null) => {
  const event: EntityEvent = {
    entity: "thing",
    id,
    version: 5,
    operation: document ? "upserted" : "deleted",
    time: "2026-01-01T00:00:00.000000Z",
    schemaVersion,
    document,
  };
  const { key, value, headers } = encodeRouted(event, document, routedHeaders(event, 0, undefined));
  return { key: Buffer.from(key), value: value === null ? null : Buffer.from(value), headers };
};

test("upcast converts a document from its version to the current one, one version after the other", () => {
  const first = { id, version: 5, ...times, name: "Cup", secret: " s " };
  expect(upcast(thing, first, 1)).toEqual({ id, version: 5, ...times, title: "Cup", secret: "s", size: 0 });
  expect(first.name).toBe("Cup");
});

test("P12: a replica reads documents of an earlier version, with its own upcasters where it declares some", () => {
  const read = decodeRouted(message(1, { id, name: "Cup", ...times, version: 5, old: true }), {
    entity: thing,
    replica: all,
  });
  expect(read.document).toEqual({ id, version: 5, ...times, title: "Cup", size: 0 });
});

test("an upcaster that reads a member which the projection lacks fails with UpcastError", () => {
  const read = () =>
    decodeRouted(message(2, { id, title: "Cup", ...times, version: 5 }), { entity: thing, replica: rest });
  expect(read).toThrow(UpcastError);
  expect(read).toThrow("schema version 2 of thing cannot be read: the upcaster of version 2 threw a TypeError");
});

test("P12: a projection that lacks a member of the replica after its upcasters is not applied", () => {
  const read = () =>
    decodeRouted(message(2, { id, title: "Cup", ...times, version: 5 }), { entity: thing, replica: short });
  expect(read).toThrow("schema version 2 of thing cannot be read: no upcaster sets the member size of replica short");
});

test("a document of a newer schema version is rejected, a delete of it is not", () => {
  const as = { entity: thing, replica: all };
  expect(() => decodeRouted(message(4, { id, version: 5 }), as)).toThrow(new NewerSchemaVersionError("thing", 4, 3));
  expect(new NewerSchemaVersionError("thing", 4, 3).message).toBe(
    "schema version 4 of thing is newer than this program's 3; upgrade this program",
  );
  expect(decodeRouted(message(4, null), as)).toMatchObject({ id, version: 5, document: null });
});
