import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { inputSchema } from "../../contracts/entity/schemas.ts";
import { dueMs } from "./generator.ts";
import { Mix, randomFrom } from "./mix.ts";
import { entity, productBody } from "./product.ts";

describe("the mix of writes", () => {
  test("is half inserts, four in ten updates and one in ten deletes", () => {
    const mix = new Mix<number>(randomFrom(1));
    const counts = { insert: 0, update: 0, delete: 0 };
    const writes = 100_000;
    for (let i = 0; i < writes; i++) {
      const write = mix.next();
      counts[write.kind]++;
      if (write.kind === "insert") mix.put(i);
      if (write.kind === "update") mix.put(write.item);
    }
    expect(counts.insert / writes).toBeCloseTo(0.5, 2);
    expect(counts.update / writes).toBeCloseTo(0.4, 2);
    expect(counts.delete / writes).toBeCloseTo(0.1, 2);
  });

  test("names no item that another write still has, and none that was deleted", () => {
    fc.assert(
      fc.property(fc.integer(), fc.array(fc.boolean(), { minLength: 1, maxLength: 200 }), (seed, answers) => {
        const mix = new Mix<number>(randomFrom(seed));
        const taken: number[] = [];
        const gone = new Set<number>();
        let made = 0;
        for (const answered of answers) {
          const write = mix.next();
          if (write.kind === "insert") mix.put(made++);
          else {
            expect(taken).not.toContain(write.item);
            expect(gone).not.toContain(write.item);
            if (write.kind === "delete") gone.add(write.item);
            else taken.push(write.item);
          }
          if (answered && taken.length > 0) mix.put(taken.shift()!);
        }
      }),
    );
  });

  test("is the same for the same seed", () => {
    const kinds = (seed: number) => {
      const random = randomFrom(seed);
      return Array.from({ length: 50 }, () => random());
    };
    expect(kinds(7)).toEqual(kinds(7));
    expect(kinds(7)).not.toEqual(kinds(8));
    expect(kinds(7).every((n) => n >= 0 && n < 1)).toBe(true);
  });
});

test("writes are due at even distances", () => {
  expect([0, 1, 2, 1000].map((i) => dueMs(i, 1000))).toEqual([0, 1, 2, 1000]);
  expect(dueMs(3, 200)).toBe(15);
});

test("a product of the bench is valid and has about 300 bytes", () => {
  const random = randomFrom(3);
  for (let i = 0; i < 1_000; i++) {
    const body = productBody(`bench-${i}`, random);
    expect(inputSchema(entity).safeParse(JSON.parse(body)).error).toBeUndefined();
    expect(Buffer.byteLength(body)).toBeWithin(270, 330);
  }
});
