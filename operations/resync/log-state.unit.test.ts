import { expect, test } from "bun:test";
import { type LogState, topicsWithLoss } from "./log-state.ts";

const before: LogState = { events: { id: "a", ends: [5, 7] }, versions: { id: "b", ends: [0] } };

test("a topic that grew has lost nothing", () => {
  expect(topicsWithLoss(before, { ...before, events: { id: "a", ends: [9, 7] } })).toEqual([]);
});

test("a topic with another identity, an end that went back, fewer partitions, or none at all has lost records", () => {
  expect(topicsWithLoss(before, { ...before, events: { id: "c", ends: [9, 9] } })).toEqual(["events"]);
  expect(topicsWithLoss(before, { ...before, events: { id: "a", ends: [9, 6] } })).toEqual(["events"]);
  expect(topicsWithLoss(before, { ...before, events: { id: "a", ends: [9] } })).toEqual(["events"]);
  expect(topicsWithLoss(before, { events: before.events! })).toEqual(["versions"]);
});
