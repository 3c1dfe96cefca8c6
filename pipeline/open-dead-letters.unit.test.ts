import { expect, test } from "bun:test";
import fc from "fast-check";
import { product } from "../contracts/entities/product.ts";
import { DeadLetterIndex } from "../operations/dead-letters/read-dead-letters.ts";
import { letterRecord, markRecord } from "../tests/harness/letters.ts";
import { OpenDeadLetters } from "./open-dead-letters.ts";

const all = () => true;
const name = (offset: number) => `products.events/0/${offset}`;

test("a letter is open until it is marked, however often it is written, also after its mark", () => {
  const letters = new OpenDeadLetters();
  for (const record of [letterRecord(0, 7), letterRecord(1, 7), letterRecord(2, 8)]) letters.take(record);
  expect(letters.count(all)).toBe(2);
  letters.take(markRecord(3, 7));
  letters.take(letterRecord(4, 7));
  expect(letters.some(9, all).map((letter) => letter.name)).toEqual([name(8)]);
});

test("a replay that came back takes the place of the letter that it was; of two one counts", () => {
  const letters = new OpenDeadLetters();
  letters.take(letterRecord(0, 7));
  letters.take(letterRecord(1, 20, { replayOf: name(7) }));
  letters.take(letterRecord(2, 21, { replayOf: name(7) }));
  expect(letters.some(9, all).map((letter) => letter.name)).toEqual([name(21)]);
});

test("what has expired is not counted", () => {
  const letters = new OpenDeadLetters();
  for (let i = 0; i < 10; i++) letters.take(letterRecord(i, i));
  letters.expire({ topic: "products.dead-letter", partition: 0 }, 4);
  expect(letters.count(all)).toBe(6);
});

test("some are asked for in turn", () => {
  const letters = new OpenDeadLetters();
  for (let i = 0; i < 5; i++) letters.take(letterRecord(i, i));
  const seen = [1, 2, 3].flatMap(() => letters.some(2, all).map(({ origin }) => origin.offset));
  expect(seen).toEqual([0, 1, 2, 3, 4, 0]);
});

test("above a hundred thousand the number is still told, and falls with marks", () => {
  const letters = new OpenDeadLetters();
  for (let i = 0; i < 100_010; i++) letters.take(letterRecord(i, i));
  expect(letters.count(all)).toBe(100_010);
  for (let i = 0; i < 20; i++) letters.take(markRecord(200_000 + i, 100_009 - i));
  expect(letters.count(all)).toBe(99_990);
}, 30_000);

test("counting as it goes comes to the same as folding the whole topic", () => {
  const step = fc.record({ does: fc.constantFrom("letter", "mark", "replay"), from: fc.nat(5) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const [letters, folding] = [new OpenDeadLetters(), new DeadLetterIndex()];
      const written = new Set<number>();
      for (const [offset, { does, from }] of steps.entries()) {
        // A mark and a replay follow their letter.
        if (does !== "letter" && !written.has(from)) continue;
        const at = does === "replay" ? 100 + offset : from;
        const replay = does === "replay" ? { replayOf: name(from) } : {};
        written.add(at);
        const record = does === "mark" ? markRecord(offset, from) : letterRecord(offset, at, replay);
        letters.take(record);
        folding.add(product, record);
      }
      const open = [...folding.resolve().values()].filter(({ state }) => state === "open").map((found) => found.name);
      expect(
        letters
          .some(99, all)
          .map((letter) => letter.name)
          .toSorted(),
      ).toEqual(open.toSorted());
    }),
    { numRuns: 2_000 },
  );
});
