import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { randomFrom } from "../workload/random.ts";
import { dueMs } from "./generator.ts";
import { WriteMix } from "./mix.ts";

describe("the mix of writes", () => {
  test("consists of 50 % inserts, 40 % updates and 10 % deletes", () => {
    const mix = new WriteMix<number>(randomFrom(1));
    const counts = { insert: 0, update: 0, delete: 0 };
    const writes = 100_000;
    for (let i = 0; i < writes; i++) {
      const write = mix.next();
      counts[write.kind]++;
      if (write.kind === "insert") mix.release(i);
      if (write.kind === "update") mix.release(write.item);
    }
    expect(counts.insert / writes).toBeCloseTo(0.5, 2);
    expect(counts.update / writes).toBeCloseTo(0.4, 2);
    expect(counts.delete / writes).toBeCloseTo(0.1, 2);
  });

  test("chooses no item that another write has reserved, and none that was deleted", () => {
    fc.assert(
      fc.property(fc.integer(), fc.array(fc.boolean(), { minLength: 1, maxLength: 200 }), (seed, answers) => {
        const mix = new WriteMix<number>(randomFrom(seed));
        const reserved: number[] = [];
        const deleted = new Set<number>();
        let created = 0;
        for (const answered of answers) {
          const write = mix.next();
          if (write.kind === "insert") mix.release(created++);
          else {
            expect(reserved).not.toContain(write.item);
            expect(deleted).not.toContain(write.item);
            if (write.kind === "delete") deleted.add(write.item);
            else reserved.push(write.item);
          }
          if (answered && reserved.length > 0) mix.release(reserved.shift()!);
        }
      }),
    );
  });

  test("depends only on the seed", () => {
    const numbers = (seed: number) => {
      const random = randomFrom(seed);
      return Array.from({ length: 50 }, () => random());
    };
    expect(numbers(7)).toEqual(numbers(7));
    expect(numbers(7)).not.toEqual(numbers(8));
    expect(numbers(7).every((n) => n >= 0 && n < 1)).toBe(true);
  });
});

test("writes are due at regular intervals", () => {
  expect([0, 1, 2, 1000].map((i) => dueMs(i, 1000))).toEqual([0, 1, 2, 1000]);
  expect(dueMs(3, 200)).toBe(15);
});
