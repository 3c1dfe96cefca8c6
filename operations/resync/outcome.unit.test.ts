import { expect, test } from "bun:test";
import type { VerifyResult } from "../verify/verify.ts";
import { outcomeOf } from "./outcome.ts";

const result: VerifyResult = {
  ...{ entity: "product", replica: "catalog", rows: 3, cache: "compared", entries: 1, seconds: 0.1 },
  ...{ differences: [], behind: false, unsettled: 0, unknown: null },
};
const difference = {
  ...{ entity: "product", replica: "catalog", id: "01890000-0000-7000-8000-000000000001", kind: "missing" as const },
  ...{ sourceVersion: 1, replicaVersion: null, heardVersion: null, fields: [] },
};
const end = (more: Partial<Parameters<typeof outcomeOf>[0]> = {}) =>
  outcomeOf({
    ...{ isOfEveryEntity: true, isOfEveryReplica: true, lostAgain: [], repair: { results: [result], remaining: [] } },
    ...more,
  });
const repair = (more: Partial<VerifyResult>) => ({ results: [result, { ...result, ...more }], remaining: [] });

const all = { equal: true, endsMarks: true, endsLosses: true };
const nothing = { equal: false, endsMarks: false, endsLosses: false };

test("when every replica equals the source, marks and losses end; differences that were repaired do not count", () => {
  expect(end()).toEqual(all);
  expect(end({ repair: repair({ differences: [difference] }) })).toEqual(all);
});

test("a loss while it ran, and a difference that remains, end nothing", () => {
  expect(end({ lostAgain: ["products.events"] })).toEqual(nothing);
  expect(end({ repair: { results: [result], remaining: [difference] } })).toEqual(nothing);
});

test("a replica that is behind or could not be read ends nothing; an unread cache ends the conditions of the log", () => {
  expect(end({ repair: repair({ behind: true }) })).toEqual(nothing);
  expect(end({ repair: repair({ unknown: "no table" }) })).toEqual(nothing);
  expect(end({ repair: repair({ cache: "away" }) })).toEqual({ ...all, equal: false });
});

test("a resync of one replica keeps the losses, and one of some entities keeps all conditions", () => {
  expect(end({ isOfEveryReplica: false })).toEqual({ ...all, endsLosses: false });
  expect(end({ isOfEveryEntity: false })).toEqual({ equal: true, endsMarks: false, endsLosses: false });
});
