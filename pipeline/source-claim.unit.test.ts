import { expect, test } from "bun:test";
import { CLAIM_KEY_PREFIX } from "../contracts/control.ts";
import { SimulatedLog } from "../tests/harness/simulated-log.ts";
import { checkClaim, claimTopics, OtherSourceError, readClaims, takeOver } from "./source-claim.ts";

const project = { namespace: "staging" };
const first = { identity: "a", place: "1/10", database: "shop" };
const second = { identity: "b", place: "2/10", database: "other" };
const at = { topic: "staging.lockstep.control", partition: 0 };

test("the first source claims the topics once, and finds them claimed later", async () => {
  const log = new SimulatedLog(1);
  expect(await checkClaim(log, project, first)).toBe("free");
  await claimTopics(log, project, first);
  await claimTopics(log, project, first);
  expect(log.records(at)).toHaveLength(1);
  expect(await checkClaim(log, project, first)).toBe("claimed");
});

test("another source is rejected with both databases and the two remedies, and leaves no claim", async () => {
  const log = new SimulatedLog(1);
  await claimTopics(log, project, first);
  const refusal = await claimTopics(log, project, second).catch((error) => error);
  expect(refusal).toBeInstanceOf(OtherSourceError);
  for (const part of [
    "staging",
    "database shop (a, at 1/10)",
    "database other (b, at 2/10)",
    "namespace",
    "lockstep take-over",
  ])
    expect(refusal.message).toContain(part);
  expect(await readClaims(log, project)).toMatchObject([first]);
});

test("of two sources that claim at the same time, one wins, and the other is rejected", async () => {
  const log = new SimulatedLog(1);
  const sources = [first, second];
  const results = await Promise.allSettled(sources.map((source) => claimTopics(log, project, source)));
  const winner = results.findIndex(({ status }) => status === "fulfilled");
  expect(results.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected"]);
  expect(await readClaims(log, project)).toMatchObject([sources[winner]!]);
  await expect(checkClaim(log, project, sources[1 - winner]!)).rejects.toThrow(OtherSourceError);
});

test("a source that finds an older claim after its own withdraws", async () => {
  const log = new SimulatedLog(1);
  const claim = JSON.stringify({ database: first.database, place: first.place, at: new Date().toISOString() });
  const openWriter = log.openWriter.bind(log);
  log.openWriter = async (name, partitions) => {
    if (log.records(at).length === 0)
      log.append(at, [{ key: CLAIM_KEY_PREFIX + first.identity, value: claim, headers: {} }]);
    return openWriter(name, partitions);
  };
  await expect(claimTopics(log, project, second)).rejects.toThrow(OtherSourceError);
  expect(await readClaims(log, project)).toMatchObject([first]);
});

test("after a take-over the topics belong to the new source, and the old one is rejected", async () => {
  const log = new SimulatedLog(1);
  await claimTopics(log, project, first);
  expect(await takeOver(log, project, second)).toMatchObject([first]);
  expect(await takeOver(log, project, second)).toEqual([]);
  await claimTopics(log, project, second);
  await expect(checkClaim(log, project, first)).rejects.toThrow(OtherSourceError);
  // The old source may come back.
  expect(await takeOver(log, project, first)).toMatchObject([second]);
  expect(await checkClaim(log, project, first)).toBe("claimed");
});

test("a source that moved renews its claim, and ends claims that were never withdrawn", async () => {
  const log = new SimulatedLog(1);
  await claimTopics(log, project, first);
  const at0 = (await readClaims(log, project))[0]!.at;
  const claim = JSON.stringify({ database: second.database, place: second.place, at: at0 });
  log.append(at, [{ key: CLAIM_KEY_PREFIX + second.identity, value: claim, headers: {} }]);
  const moved = { ...first, place: "3/11", database: "restored" };
  expect(await checkClaim(log, project, moved)).toBe("claimed");
  expect(await claimTopics(log, project, moved)).toEqual({ ...first, at: at0 });
  expect(await claimTopics(log, project, moved)).toBeUndefined();
  expect(await readClaims(log, project)).toEqual([{ ...moved, at: at0 }]);
});

test("a database without an identity claims nothing", async () => {
  const log = new SimulatedLog(1);
  const none = { ...first, identity: "" };
  await expect(claimTopics(log, project, none)).rejects.toThrow("lockstep.source_identity");
  await expect(takeOver(log, project, none)).rejects.toThrow("lockstep.source_identity");
  expect(log.records(at)).toHaveLength(0);
  // What the doctor finds before the migrations: the database will be another source.
  await claimTopics(log, project, first);
  await expect(checkClaim(log, project, none)).rejects.toThrow("database shop (new, at 1/10)");
});

test("records of other keys and invalid claims are ignored", async () => {
  const log = new SimulatedLog(1);
  log.append(at, [
    { key: "stream", value: '{"paused":true}', headers: {} },
    { key: `${CLAIM_KEY_PREFIX}9/9`, value: "no JSON", headers: {} },
  ]);
  await claimTopics(log, project, first);
  expect(await readClaims(log, project)).toMatchObject([first]);
});
