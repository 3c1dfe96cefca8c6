import { expect, test } from "bun:test";
import { Hono } from "hono";
import { withIdempotency } from "./idempotency.ts";
import type { IdempotencyKey } from "./write-context.ts";

/** What one write says about itself. */
interface Write {
  readonly actor?: string;
  readonly method: string;
  readonly collection: string;
  readonly path: string;
  readonly content: unknown;
  readonly key: string;
}
const write: Write = { actor: "maria", method: "PATCH", collection: "/products", path: "/a", content: [1], key: "k" };

async function keyOf({ actor, method, collection, path, content, key }: Write): Promise<IdempotencyKey> {
  const app = new Hono();
  app.all("*", (c) => {
    const context = { traceparent: "", ...(actor === undefined ? {} : { actor }) };
    return c.json(withIdempotency(c, collection, content, context).idempotencyKey);
  });
  const response = await app.request(path, { method, headers: { "idempotency-key": key } });
  return (await response.json()) as IdempotencyKey;
}

test("a key is one of its client, method and collection", async () => {
  const { actor: _, ...anonymous } = write;
  const writes: Write[] = [
    write,
    anonymous,
    { ...write, actor: "pedro" },
    { ...write, method: "PUT" },
    { ...write, collection: "/orders" },
    { ...write, key: "l" },
  ];
  const keys = await Promise.all(writes.map(keyOf));
  expect(new Set(keys.map(({ key }) => key)).size).toBe(writes.length);
  expect((await keyOf({ ...write, key: '"k"' })).key).toBe(keys[0]!.key);
});

test("a key belongs to one path and content", async () => {
  const { key, fingerprint } = await keyOf(write);
  for (const other of [
    { ...write, path: "/b" },
    { ...write, content: [2] },
  ]) {
    const found = await keyOf(other);
    expect(found.key).toBe(key);
    expect(found.fingerprint).not.toBe(fingerprint);
  }
});
