import { expect, test } from "bun:test";
import { product } from "../tests/project/index.ts";
import { type EntityEvent, header } from "./event.ts";
import { decodeRouted, encodeRouted, routedHeaders } from "./routed-event.ts";

const id = Bun.randomUUIDv7();
const [replica] = product.replicas;
const event: EntityEvent = {
  entity: product.name,
  id,
  version: 5,
  operation: "upserted",
  time: "2026-01-01T00:00:00.000000Z",
  schemaVersion: product.schemaVersion,
  document: { id },
  digest: "-9223372036854775808",
  resend: "17",
  actor: "maria",
};

/** A record of the replica's topic. @param given headers that differ; undefined removes one. */
function recordWith(given: Readonly<Record<string, string | undefined>> = {}, key: string | null = id) {
  const { value, headers } = encodeRouted(event, { id }, routedHeaders(event, 3, "the stream's span"));
  const all = Object.entries({ ...headers, ...given }).flatMap(([name, text]) =>
    text === undefined ? [] : [[name, text]],
  );
  return { key: key === null ? null : Buffer.from(key), value: Buffer.from(value!), headers: Object.fromEntries(all) };
}
const decode = (record: ReturnType<typeof recordWith>) => decodeRouted(record, { entity: product, replica: replica! });

test("a replica reads what the stream wrote, without the actor", () => {
  const { time, version, digest, resend } = event;
  const traceparent = "the stream's span";
  expect(decode(recordWith())).toEqual({ id, version, document: { id }, time, traceparent, digest, resend });
  expect(recordWith().headers[header.actor]).toBeUndefined();
});

test("a record that the stream did not write is rejected", () => {
  const records = [
    recordWith({}, null),
    ...[undefined, "0", "1.5", "9007199254740992"].map((text) => recordWith({ [header.version]: text })),
    ...[undefined, "0", "x"].map((text) => recordWith({ [header.schemaVersion]: text })),
    recordWith({ [header.time]: undefined }),
    // PostgreSQL stores a digest as a 64-bit integer. One that is larger would fail the replica's whole batch.
    ...["x", "1e3", "9223372036854775808", "-9223372036854775809"].map((text) => recordWith({ [header.digest]: text })),
  ];
  for (const record of records)
    expect(() => decode(record)).toThrow(
      "the record was not written by the stream: its key, version, schema version, time or digest is invalid",
    );
  expect(decode(recordWith({ [header.digest]: "9223372036854775807" })).digest).toBe("9223372036854775807");
});
