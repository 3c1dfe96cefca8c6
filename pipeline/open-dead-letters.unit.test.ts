import { expect, test } from "bun:test";
import fc from "fast-check";
import { DeadLetterIndex } from "../operations/dead-letters/dead-letter-index.ts";
import { deadLetterRecord, markRecord } from "../tests/harness/dead-letters.ts";
import { product } from "../tests/project/index.ts";
import { OpenDeadLetters } from "./open-dead-letters.ts";

const all = () => true;
const name = (offset: number) => `products.events/0/${offset}`;
const namesOf = (deadLetters: OpenDeadLetters) => deadLetters.nextMatching(9, all).map((deadLetter) => deadLetter.name);

test("a dead letter is open until it is marked, also when it is written twice, or again after its mark", () => {
  const deadLetters = new OpenDeadLetters();
  for (const record of [deadLetterRecord(0, 7), deadLetterRecord(1, 7), deadLetterRecord(2, 8)])
    deadLetters.add(record);
  expect(deadLetters.count(all)).toBe(2);
  deadLetters.add(markRecord(3, 7));
  deadLetters.add(deadLetterRecord(4, 7));
  expect(namesOf(deadLetters)).toEqual([name(8)]);
});

test("a failed replay replaces its original; of two failed replays one counts", () => {
  const deadLetters = new OpenDeadLetters();
  deadLetters.add(deadLetterRecord(0, 7));
  deadLetters.add(deadLetterRecord(1, 20, { replayOf: name(7) }));
  deadLetters.add(deadLetterRecord(2, 21, { replayOf: name(7) }));
  expect(namesOf(deadLetters)).toEqual([name(21)]);
});

test("expired dead letters are not counted", () => {
  const deadLetters = new OpenDeadLetters();
  for (let i = 0; i < 10; i++) deadLetters.add(deadLetterRecord(i, i));
  deadLetters.expire({ topic: "products.dead-letter", partition: 0 }, 4);
  expect(deadLetters.count(all)).toBe(6);
});

test("retention in one partition closes no dead letter of another partition or topic", () => {
  const deadLetters = new OpenDeadLetters();
  deadLetters.add({ ...deadLetterRecord(0, 1), topic: "orders.dead-letter" });
  deadLetters.add(deadLetterRecord(0, 2, { partition: 1 }));
  deadLetters.add(deadLetterRecord(0, 3));
  deadLetters.expire({ topic: "products.dead-letter", partition: 0 }, 1);
  expect(deadLetters.nextMatching(9, all).map(({ at }) => `${at.topic}/${at.partition}`)).toEqual([
    "orders.dead-letter/0",
    "products.dead-letter/1",
  ]);
});

test("repeated calls of nextMatching return all dead letters in turn", () => {
  const deadLetters = new OpenDeadLetters();
  for (let i = 0; i < 5; i++) deadLetters.add(deadLetterRecord(i, i));
  const offsets = [1, 2, 3].flatMap(() => deadLetters.nextMatching(2, all).map(({ origin }) => origin.offset));
  expect(offsets).toEqual([0, 1, 2, 3, 4, 0]);
});

test("more than 100,000 dead letters are still counted, and marks lower the count", () => {
  const deadLetters = new OpenDeadLetters();
  for (let i = 0; i < 100_010; i++) deadLetters.add(deadLetterRecord(i, i));
  expect(deadLetters.count(all)).toBe(100_010);
  for (let i = 0; i < 20; i++) deadLetters.add(markRecord(200_000 + i, 100_009 - i));
  expect(deadLetters.count(all)).toBe(99_990);
}, 30_000);

test("adding record by record gives the same result as folding the whole topic", () => {
  const step = fc.record({ kind: fc.constantFrom("dead letter", "mark", "replay"), from: fc.nat(5) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const [deadLetters, index] = [new OpenDeadLetters(), new DeadLetterIndex()];
      const written = new Set<number>();
      for (const [offset, { kind, from }] of steps.entries()) {
        // A mark or a replay comes after its dead letter.
        if (kind !== "dead letter" && !written.has(from)) continue;
        const at = kind === "replay" ? 100 + offset : from;
        const replay = kind === "replay" ? { replayOf: name(from) } : {};
        written.add(at);
        const record = kind === "mark" ? markRecord(offset, from) : deadLetterRecord(offset, at, replay);
        deadLetters.add(record);
        index.add(product, record);
      }
      const open = [...index.resolve().values()].filter(({ state }) => state === "open").map((found) => found.name);
      const names = deadLetters.nextMatching(99, all).map((deadLetter) => deadLetter.name);
      expect(names.toSorted()).toEqual(open.toSorted());
    }),
    { numRuns: 2_000 },
  );
});
