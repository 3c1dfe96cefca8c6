import { Database } from "bun:sqlite";
import { afterAll, afterEach, expect, jest, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { KnownVersion } from "../contracts/known-version.ts";
import { VersionStore } from "./version-store.ts";
import { decodeFlushed, encodeFlush } from "./versions-topic.ts";

const KEY = "products.events/0";
const checkpoint = { next: 10, ends: {} };
const folder = mkdtempSync(join(tmpdir(), "lockstep-version-store-"));
let files = 0;
const newFile = () => join(folder, `${files++}.sqlite`);
const known = (version: number, ...absent: string[]): Map<string, KnownVersion> =>
  new Map([["a", { version, absent }]]);

afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => void jest.useRealTimers());

test("a flush after a restart names the replicas that must not have the entity", () => {
  const file = newFile();
  {
    using store = new VersionStore(file);
    store.remember(KEY, known(3, "storefront"), checkpoint);
    store.save();
  }
  using store = new VersionStore(file);
  const { changes } = store.unflushed(KEY);
  const [record] = encodeFlush(changes, checkpoint);
  expect(String(record!.value)).toBe('{"version":3,"absent":["storefront"]}');
});

test("a version that is sent again replaces the replicas that must not have the entity", () => {
  using store = new VersionStore(newFile());
  store.remember(KEY, known(3, "storefront"), checkpoint);
  const flush = store.unflushed(KEY);
  store.remember(KEY, known(3), checkpoint);
  store.markFlushed(KEY, flush, { topic: "products.versions", end: 1 });
  expect(store.checkpoint(KEY)).toEqual({ next: 10, ends: { "products.versions": 1 } });
  expect(store.unflushed(KEY).changes).toEqual(known(3));
});

test("P1: a change that comes during a flush is still unflushed after a crash", () => {
  const file = newFile();
  {
    using store = new VersionStore(file);
    store.remember(KEY, known(3), checkpoint);
    const flush = store.unflushed(KEY);
    store.remember(KEY, new Map([["b", { version: 1, absent: [] }]]), checkpoint);
    store.markFlushed(KEY, flush, { topic: "products.versions", end: 1 });
    store.save();
  }
  using store = new VersionStore(file);
  expect([...store.unflushed(KEY).changes.keys()]).toEqual(["b"]);
});

test("one id in two entities, and in two partitions, has a version in each", () => {
  const file = newFile();
  const keys = [KEY, "products.events/1", "orders.events/0"];
  {
    using store = new VersionStore(file);
    for (const [i, key] of keys.entries()) store.remember(key, known(3 + i), { next: i, ends: {} });
    store.markFlushed(KEY, store.unflushed(KEY), { topic: "products.versions", end: 1 });
    store.save();
  }
  using store = new VersionStore(file);
  expect(keys.map((key) => store.newest(key, ["a"]).get("a"))).toEqual([3, 4, 5]);
  expect(keys.map((key) => [...store.pages(key)])).toEqual([[known(3)], [known(4)], [known(5)]]);
  expect(keys.map((key) => store.unflushed(key).changes.size)).toEqual([0, 1, 1]);
  expect(keys.map((key) => store.checkpoint(key)?.next)).toEqual([0, 1, 2]);
});

test("what is flushed after a failed flush and a restart is not unflushed after the next restart", () => {
  const file = newFile();
  {
    using store = new VersionStore(file);
    store.remember(KEY, known(3), checkpoint);
    store.unflushed(KEY); // its write fails
    store.remember(KEY, new Map([["b", { version: 1, absent: [] }]]), checkpoint);
    store.save();
  }
  {
    using store = new VersionStore(file);
    const flush = store.unflushed(KEY);
    expect([...flush.changes.keys()]).toEqual(["a", "b"]);
    store.markFlushed(KEY, flush, { topic: "products.versions", end: 2 });
    store.save();
  }
  using store = new VersionStore(file);
  expect(store.unflushed(KEY).changes).toEqual(new Map());
});

test("the newest record of the versions topic replaces what the file has, unless the file's change was never flushed", () => {
  using store = new VersionStore(newFile());
  store.restore(KEY, known(3, "storefront"), checkpoint);
  store.restore(KEY, known(3, "catalog"), undefined);
  expect(store.unflushed(KEY).changes.size).toBe(0);

  store.remember(KEY, known(3), checkpoint);
  store.restore(KEY, known(3, "catalog"), undefined);
  expect(store.unflushed(KEY).changes).toEqual(known(3));
  store.restore(KEY, known(4, "catalog"), undefined);
  expect(store.unflushed(KEY).changes.size).toBe(0);
  expect(store.newest(KEY, ["a"]).get("a")).toBe(4);
});

test("the unflushed changes of an earlier release's file are kept", () => {
  const file = newFile();
  const old = new Database(file, { create: true });
  old.run(`create table known (scope text not null, id text not null, version integer not null,
    flush integer not null, primary key (scope, id)) without rowid`);
  old.run(`create table checkpoint (scope text primary key, next integer not null, ends text not null,
    flushed integer not null default 0) without rowid`);
  old.run("insert into known values (?, 'a', 7, 2)", [KEY]);
  old.run("insert into checkpoint values (?, 10, '{}', 1)", [KEY]);
  old.close();
  using store = new VersionStore(file);
  expect(store.checkpoint(KEY)).toEqual(checkpoint);
  expect(store.unflushed(KEY).changes).toEqual(known(7));
  store.remember(KEY, known(8, "catalog"), checkpoint);
  expect(store.unflushed(KEY).changes).toEqual(known(8, "catalog"));
});

test("a record of an earlier release names no replica", () => {
  const record = { key: Buffer.from("a"), value: Buffer.from('{"version":2}'), headers: {} };
  expect(decodeFlushed([record as never]).changes).toEqual(known(2));
});

test("a crash loses the changes since the last save, together with their checkpoint", () => {
  const file = newFile();
  {
    using store = new VersionStore(file);
    store.remember(KEY, known(3, "storefront"), checkpoint);
    store.save();
    store.remember(KEY, known(4), { next: 11, ends: {} });
    expect(store.newest(KEY, ["a"]).get("a")).toBe(4);
    expect(store.checkpoint(KEY)?.next).toBe(11);
  }
  using store = new VersionStore(file);
  expect([...store.pages(KEY)]).toEqual([known(3, "storefront")]);
  expect(store.checkpoint(KEY)).toEqual(checkpoint);
  expect(store.unflushed(KEY).changes).toEqual(known(3, "storefront"));
});

test("what was flushed before it was saved is saved, and stays known", () => {
  const file = newFile();
  {
    using store = new VersionStore(file);
    store.remember(KEY, known(3), checkpoint);
    store.markFlushed(KEY, store.unflushed(KEY), { topic: "products.versions", end: 1 });
    store.save();
  }
  using store = new VersionStore(file);
  expect(store.newest(KEY, ["a", "b", "c"])).toEqual(new Map([["a", 3]]));
  expect(store.newest(KEY, ["b", "a"])).toEqual(new Map([["a", 3]]));
  expect(store.unflushed(KEY).changes.size).toBe(0);
});

test("the changes of all partitions are saved after five seconds, or when there are many", () => {
  const file = newFile();
  jest.useFakeTimers();
  using store = new VersionStore(file);
  using reader = new VersionStore(file);
  const other = "products.events/1";
  store.remember(KEY, known(3), checkpoint);
  store.remember(other, known(5), checkpoint);
  jest.advanceTimersByTime(4_999);
  expect([...reader.pages(KEY)]).toEqual([]);
  jest.advanceTimersByTime(1);
  expect([KEY, other].map((key) => [...reader.pages(key)])).toEqual([[known(3)], [known(5)]]);

  const ids = Array.from({ length: 20_001 }, (_, i) => `id ${i}`);
  for (const id of ids) store.remember(KEY, new Map([[id, { version: 1, absent: [] }]]), checkpoint);
  expect([...reader.pages(KEY)].reduce((sum, page) => sum + page.size, 0)).toBe(20_001);
});

test("P14: while saves fail, each batch fails and nothing of it is remembered", () => {
  const file = new Database(":memory:");
  jest.useFakeTimers();
  using store = new VersionStore(file);
  store.remember(KEY, known(3), checkpoint);
  file.run("alter table known rename to away");
  jest.advanceTimersByTime(5_000);
  const remember = (version: number) => store.remember(KEY, known(version), checkpoint);
  // The chunk is delivered again, and must not count as processed then.
  for (let i = 0; i < 2; i++)
    expect(() => store.remember(KEY, known(4), { next: 11, ends: {} })).toThrow("no such table");
  expect(store.newest(KEY, ["a"]).get("a")).toBe(3);
  expect(store.checkpoint(KEY)).toEqual(checkpoint);
  file.run("alter table away rename to known");
  jest.advanceTimersByTime(5_000);
  expect([...store.pages(KEY)]).toEqual([known(3)]);
  remember(5);
});
