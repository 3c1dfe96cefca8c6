/** How many receipts the console keeps for writes whose trace starts late. */
import { expect, test } from "bun:test";
import type { Receipt } from "../../../contracts/receipt.ts";
import { RecentReceipts } from "./recent-receipts.ts";

const receipt = (appliedMs: number, changes: number): Receipt => ({
  ...{ replica: "catalog", entity: "product", appliedMs, cachedMs: null },
  changes: Array.from({ length: changes }, (_, i) => [String(i), 1, 0]),
});

test("receipts with 20,000 changes together are kept, and always the newest", () => {
  const recent = new RecentReceipts();
  for (let i = 0; i < 30; i++) recent.add(receipt(i, 1_000));
  expect(recent.all().map(({ appliedMs }) => appliedMs)).toEqual(Array.from({ length: 20 }, (_, i) => i + 10));
  recent.add(receipt(99, 50_000));
  expect(recent.all().map(({ appliedMs }) => appliedMs)).toEqual([99]);
});
