import { expect, test } from "bun:test";
import fc from "fast-check";
import {
  deadLetterHeader,
  decodeDeadLetterOrMark,
  encodeDeadLetter,
  encodeMark,
  isSuperseded,
  originalRecord,
  originName,
  parseOrigin,
} from "./dead-letter.ts";
import { reasonNames } from "./dead-letter-reasons.ts";
import { header } from "./event.ts";

const bytes = (headers: Readonly<Record<string, string | Buffer>>) =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, Buffer.from(value)]));
const texts = (headers: Readonly<Record<string, string | Buffer>>) =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, value.toString()]));
const stored = (headers: Readonly<Record<string, string | Buffer>>) => ({
  topic: "products.events",
  partition: 2,
  offset: 17,
  timestampMs: 5,
  key: Buffer.from("key"),
  value: Buffer.from([0xff, 0]),
  headers: texts(headers),
  rawHeaders: bytes(headers),
});
const cause = { reason: "unappliable", detail: "d", stack: "s", replica: "catalog" } as const;

test("the original record is restored, also when it has reserved headers or is itself a dead letter", () => {
  const name = fc.tuple(fc.nat(2), fc.constantFrom(...Object.values(deadLetterHeader), "ce_id", "original-x"));
  const names = name.map(([times, of]) => `${"original-".repeat(times)}${of}`);
  fc.assert(
    fc.property(fc.dictionary(names, fc.string()), (headers) => {
      const deadLetter = encodeDeadLetter(stored(headers), cause);
      const restored = originalRecord({ ...deadLetter, rawHeaders: bytes(deadLetter.headers) });
      expect(texts(restored.headers)).toEqual(headers);
      const nested = encodeDeadLetter(stored(deadLetter.headers), cause);
      expect(texts(originalRecord({ ...nested, rawHeaders: bytes(nested.headers) }).headers)).toEqual(
        texts(deadLetter.headers),
      );
    }),
  );
});

test("dead letters and marks are decoded; other records are not", () => {
  const id = crypto.randomUUID();
  const record = { ...stored({ [header.version]: "3" }), key: Buffer.from(id) };
  const deadLetter = encodeDeadLetter(record, cause);
  const origin = { topic: "products.events", partition: 2, offset: 17 };
  const read = decodeDeadLetterOrMark({ key: deadLetter.key, headers: texts(deadLetter.headers), timestampMs: 9 });
  expect(read).toEqual({
    deadLetter: { origin, ...cause, writtenMs: 5, atMs: 9, id, version: 3, resent: false },
  });
  const mark = { origin, resolution: "dropped", atMs: 7 } as const;
  expect(decodeDeadLetterOrMark({ key: null, headers: texts(encodeMark(mark).headers), timestampMs: 9 })).toEqual({
    mark,
  });
  expect(decodeDeadLetterOrMark({ key: null, headers: {}, timestampMs: 9 })).toBeUndefined();
  const unknownReason = { ...texts(deadLetter.headers), [deadLetterHeader.reason]: "because" };
  expect(decodeDeadLetterOrMark({ key: null, headers: unknownReason, timestampMs: 9 })).toBeUndefined();
  expect(parseOrigin(originName(origin))).toEqual(origin);
  expect(parseOrigin("products.events/x/1")).toBeUndefined();
});

test("a dead letter is superseded by its version or a newer one; a resend only by a newer one", () => {
  const deadLetter = {
    ...cause,
    origin: { topic: "t", partition: 0, offset: 0 },
    writtenMs: 0,
    atMs: 0,
    resent: false,
  };
  expect(isSuperseded(deadLetter, 9)).toBe(false);
  expect([2, 3, 4].map((known) => isSuperseded({ ...deadLetter, version: 3 }, known))).toEqual([false, true, true]);
  const resent = { ...deadLetter, version: 3, resent: true };
  expect([2, 3, 4].map((known) => isSuperseded(resent, known))).toEqual([false, false, true]);
  expect(isSuperseded(resent, undefined)).toBe(false);
});

test("each reason is explained in docs/operate/dead-letters.md", async () => {
  const page = await Bun.file(`${import.meta.dir}/../docs/operate/dead-letters.md`).text();
  expect([...page.matchAll(/^\| `([a-z-]+)` \|/gm)].map(([, name]) => name!).toSorted()).toEqual(
    reasonNames.toSorted(),
  );
});
