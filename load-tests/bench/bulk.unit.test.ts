import { expect, test } from "bun:test";
import { bulkTransactions, CHANGES_PER_TRANSACTION } from "./bulk.ts";

test("each bulk transaction changes a thousand rows, half of them new, and no row after its delete", () => {
  let made = 0;
  const newId = () => `id-${made++}`;
  const seed = Array.from({ length: 500 }, newId);
  const live = new Set(seed);
  const steps = [...bulkTransactions(seed, 100, newId)];
  expect(steps).toHaveLength(100);
  for (const { insert, update, remove } of steps) {
    expect(insert.length + update.length + remove.length).toBe(CHANGES_PER_TRANSACTION);
    expect([insert.length, update.length, remove.length]).toEqual([500, 400, 100]);
    for (const id of [...update, ...remove]) expect(live.has(id)).toBe(true);
    for (const id of remove) live.delete(id);
    for (const id of insert) live.add(id);
  }
  expect(live.size).toBe(500 + 100 * 400);
});
