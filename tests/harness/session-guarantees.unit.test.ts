/** Tests the checker of session guarantees with correct histories and planted violations. */
import { expect, test } from "bun:test";
import { findSessionViolations, type SessionEvent, type SessionRead, type SessionWrite } from "./session-guarantees.ts";

const REPLICAS = ["catalog", "storefront"];

/** Returns a seeded random number generator (mulberry32). */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

/** Generates a history without violations: each read is at least as new as the session's own writes. */
function rightHistory(length: number, below: (n: number) => number): SessionEvent[] {
  const log = new Map<string, SessionWrite[]>();
  const shown = new Map<string, number>();
  const history: SessionEvent[] = [];
  while (history.length < length) {
    const session = below(50);
    const id = `product-${below(500)}`;
    const writes = log.get(id) ?? [];
    if (below(2) === 0) {
      const replicas = REPLICAS.filter(() => below(4) > 0);
      const wrote = { session, id, version: writes.length + 1, replicas };
      log.set(id, [...writes, wrote]);
      history.push(wrote);
      continue;
    }
    const replica = REPLICAS[below(2)]!;
    const place = `${replica} ${id}`;
    const own = Math.max(0, ...writes.filter((w) => w.session === session).map(({ version }) => version));
    // The replica is at any version between the newest it has returned and the newest written.
    const least = Math.max(own, shown.get(place) ?? 0);
    const at = least + below(writes.length - least + 1);
    shown.set(place, at);
    const version = at > 0 && writes[at - 1]!.replicas.includes(replica) ? at : undefined;
    history.push({ session, replica, id, version });
  }
  return history;
}

// Takes two seconds on an idle machine. The limit allows for a busy one.
test("a correct history of 100,000 reads and writes has no violation", () => {
  expect(findSessionViolations(rightHistory(100_000, numbers(1)))).toEqual([]);
}, 60_000);

test("the checker finds each of 200 planted violations and nothing else", () => {
  const below = numbers(2);
  const history = rightHistory(100_000, below);
  const newest = new Map<string, number>();
  const candidates: number[] = [];
  for (const [i, happened] of history.entries()) {
    const key = `${happened.session} ${happened.id}`;
    if (!("replica" in happened)) newest.set(key, happened.version);
    else if ((newest.get(key) ?? 0) > 1) candidates.push(i);
  }
  const planted = new Set<number>();
  while (planted.size < 200) planted.add(candidates[below(candidates.length)]!);
  const wrong = history.map((happened, i): SessionEvent => {
    if (!planted.has(i)) return happened;
    const read = happened as SessionRead;
    return { ...read, version: newest.get(`${read.session} ${read.id}`)! > 1 ? 1 : undefined };
  });
  const found = findSessionViolations(wrong).map(({ read }) => wrong.indexOf(read));
  // Version 1 is stale wherever the session itself has written a newer version before.
  expect(found.filter((i) => !planted.has(i))).toEqual([]);
  expect(found.length).toBe(planted.size);
}, 60_000);

test.each([
  ["a read is older than the session's own write", [wrote(1, 2), read(1, 1)], "version 1 after 2"],
  ["a version decreases for one session", [read(1, 3), read(1, 2)], "version 2 after 3"],
  ["the session's own write is missing", [wrote(1, 1), read(1, undefined)], "not there after version 1"],
  [
    "a removed entity reappears",
    [wrote(1, 1), wrote(1, 2, []), read(1, undefined), read(1, 2)],
    "version 2, which is not this replica's",
  ],
])("%s: the checker reports it", (_, history, why) => {
  expect(findSessionViolations(history).map((violation) => violation.why)).toEqual([why]);
});

test("a read may miss writes of other sessions, and one replica may be ahead of another", () => {
  const history = [wrote(1, 2), read(2, 1), read(2, 2), { ...read(2, 1), replica: "storefront" }];
  expect(findSessionViolations(history)).toEqual([]);
});

function wrote(session: number, version: number, replicas: readonly string[] = REPLICAS): SessionWrite {
  return { session, id: "a", version, replicas };
}
function read(session: number, version: number | undefined): SessionRead {
  return { session, replica: "catalog", id: "a", version };
}
