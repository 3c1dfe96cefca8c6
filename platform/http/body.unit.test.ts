import { describe, expect, test } from "bun:test";
import type { z } from "zod";
import { inputSchema, patchSchema, readOnlyMembers } from "../../contracts/entity/schemas.ts";
import { RequestError } from "../../contracts/errors.ts";
import { product } from "../../tests/project/index.ts";
import { readBody } from "./body.ts";

const MAX = 10_000;
const valid = { sku: "cup-1", name: "Cup", price: "19.90" };

const post = (body: ConstructorParameters<typeof Response>[0], headers: Record<string, string> = {}) =>
  new Request("http://gateway/products", {
    method: "POST",
    body,
    headers: { "content-type": "application/json", ...headers },
  });
const read = (request: Request, schema: z.ZodObject = inputSchema(product)) =>
  readBody(request, { schema, types: ["application/json"], maxBytes: MAX, readOnly: readOnlyMembers(product) });
const rejection = (request: Request, schema?: z.ZodObject) =>
  read(request, schema).then(
    (document) => expect.unreachable(JSON.stringify(document)),
    (error) => (error instanceof RequestError ? { code: error.code, detail: error.message, ...error.details } : error),
  );
const pointers = async (body: unknown, schema?: z.ZodObject) => {
  const { code, violations } = await rejection(post(JSON.stringify(body)), schema);
  expect(code).toBe("INVALID");
  return violations.map(({ pointer, detail }: { pointer: string; detail: string }) => [pointer, detail]);
};

/** A body of unknown length. */
const streamed = (chunks: readonly string[]): ReadableStream<Uint8Array> =>
  new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(new TextEncoder().encode(chunk));
      controller.close();
    },
  });

describe("a body", () => {
  test("gets the default of each missing member", async () => {
    expect(await read(post(JSON.stringify(valid)))).toEqual({
      ...valid,
      description: "",
      currency: "BRL",
      cost: "0.00",
      stock: 0,
      status: "draft",
      tags: [],
    });
  });

  test("may be chunked, have media type parameters, and start with a byte order mark", async () => {
    expect(await read(post(streamed(['{"sku":"cup-1","na', 'me":"Cup","price":"19.90"}'])))).toMatchObject(valid);
    expect(
      await read(post(JSON.stringify(valid), { "content-type": "Application/JSON; charset=utf-8" })),
    ).toMatchObject(valid);
    expect(await read(post(`\ufeff${JSON.stringify(valid)}`))).toMatchObject(valid);
  });

  test("with another media type or a content coding is rejected", async () => {
    for (const [headers, detail] of [
      [{ "content-type": "text/plain; charset=utf-8" }, "Send the body as application/json, not text/plain."],
      [{ "content-type": "" }, "Send the body as application/json."],
      [{ "content-encoding": "gzip" }, "Send the body without a content coding, not as gzip."],
    ] as const)
      expect(await rejection(post("{}", headers))).toMatchObject({ code: "UNSUPPORTED_MEDIA_TYPE", detail });
    expect(await read(post(JSON.stringify(valid), { "content-encoding": "identity" }))).toMatchObject(valid);
  });

  test("above the size limit is rejected, with and without Content-Length", async () => {
    const large = JSON.stringify({ name: "x".repeat(MAX) });
    const tooLarge = { code: "TOO_LARGE", detail: "The body is larger than the limit of 10000 bytes." };
    expect(await rejection(post(large, { "content-length": String(large.length) }))).toMatchObject(tooLarge);
    expect(await rejection(post(streamed([large])))).toMatchObject(tooLarge);
    expect(await rejection(post(streamed(["{", " ".repeat(MAX - 1), "}"])))).toMatchObject(tooLarge);
  });

  test("that ends early is malformed", async () => {
    const broken = new ReadableStream({
      start(controller) {
        controller.enqueue(new TextEncoder().encode('{"sku":'));
        controller.error(new Error("connection closed"));
      },
    });
    expect(await rejection(post(broken))).toMatchObject({
      code: "MALFORMED",
      detail: "The body did not arrive completely.",
    });
  });

  test("that is not JSON in UTF-8 is malformed, however deeply nested", async () => {
    const bodies = [
      "",
      "{",
      "{'a':1}",
      '{"a":1}}',
      "[".repeat(9_000),
      '{"a":'.repeat(1_900),
      new Uint8Array([0x22, 0xff, 0x22]),
    ];
    const malformed = { code: "MALFORMED", detail: "The body is not JSON in UTF-8." };
    for (const body of bodies) expect(await rejection(post(body))).toMatchObject(malformed);
  });

  test("that is JSON but not an object is invalid as a whole", async () => {
    for (const body of [null, [], "text", 7, [valid]]) expect((await pointers(body))[0]?.[0]).toBe("");
    expect(await rejection(post("7"))).toMatchObject({ detail: "The body does not fit the schema; see errors." });
    expect((await pointers(JSON.parse("[".repeat(4_000) + "]".repeat(4_000))))[0]?.[0]).toBe("");
  });
});

describe("violations have the JSON pointer of each wrong member:", () => {
  test("missing, of a wrong type, out of range", async () => {
    expect(await pointers({ sku: "", price: 19.9, stock: -1, tags: ["a", "", "b"], status: "sold" })).toEqual([
      ["/sku", expect.any(String)],
      ["/name", "is required"],
      ["/price", expect.any(String)],
      ["/stock", expect.any(String)],
      ["/status", expect.any(String)],
      ["/tags/1", expect.any(String)],
    ]);
  });

  test("unknown, with the pointer escaped, and read-only", async () => {
    const body = {
      ...valid,
      "a/b~c": 1,
      id: "x",
      version: 1,
      createdAt: "x",
      updatedAt: "x",
      toString: 1,
      constructor: 1,
    };
    expect(await pointers(body)).toEqual([
      ["/a~1b~0c", "is not a known member"],
      ["/id", "is read-only"],
      ["/version", "is read-only"],
      ["/createdAt", "is read-only"],
      ["/updatedAt", "is read-only"],
      ["/toString", "is not a known member"],
      ["/constructor", "is not a known member"],
    ]);
    const proto = await rejection(post('{"sku":"cup-1","name":"Cup","price":"19.90","__proto__":{"stock":7}}'));
    expect(proto).toMatchObject({
      code: "INVALID",
      violations: [{ pointer: "/__proto__", detail: "is not a known member" }],
    });
  });

  test("text that PostgreSQL cannot store", async () => {
    expect((await pointers({ ...valid, name: "a\u0000b" }))[0]?.[0]).toBe("/name");
    expect((await pointers({ ...valid, sku: "half \ud83d" }))[0]?.[0]).toBe("/sku");
    expect((await pointers({ ...valid, tags: ["\udc00"] }))[0]?.[0]).toBe("/tags/0");
  });

  test("of a duplicate member the last value counts", async () => {
    expect(await read(post('{"sku":"cup-1","name":"Cup","price":"1.00","price":"2.00"}'))).toMatchObject({
      price: "2.00",
    });
  });

  test("at most a hundred are listed", async () => {
    const many = Object.fromEntries(Array.from({ length: 1_000 }, (_, i) => [`m${i}`, 1]));
    expect(await pointers(many)).toHaveLength(100);
  });
});

describe("a merge patch", () => {
  const patch = (body: unknown) => read(post(JSON.stringify(body)), patchSchema(product));

  test("has only the members that it names", async () => {
    expect(await patch({})).toEqual({});
    expect(await patch({ stock: 7, tags: ["a"] })).toEqual({ stock: 7, tags: ["a"] });
  });

  test("resets a member to its default with null", async () => {
    expect(await patch({ description: null, tags: null, stock: null })).toEqual({
      description: "",
      tags: [],
      stock: 0,
    });
    expect(await pointers({ name: null, sku: null }, patchSchema(product))).toEqual([
      ["/sku", expect.any(String)],
      ["/name", expect.any(String)],
    ]);
  });
});
