import { expect, test } from "bun:test";
import fc from "fast-check";
import { outcomes, reduce } from "./reduce.ts";

/** Events of four entities: duplicates, equal versions, resends, several of one version. */
const event = fc.record({
  id: fc.constantFrom("a", "b", "c", "d"),
  version: fc.integer({ min: 1, max: 6 }),
  resend: fc.constantFrom(undefined, undefined, "resend 1", "resend 2"),
});
const events = fc.array(event, { maxLength: 20 });

test("a batch is reduced to the newest version of each id, in the order of ids", () => {
  fc.assert(
    fc.property(events, (batch) => {
      const reduced = reduce(batch);
      const ids = [...new Set(batch.map(({ id }) => id))].sort();
      expect(reduced.map(({ id }) => id)).toEqual(ids);
      for (const { id, version } of reduced)
        expect(version).toBe(Math.max(...batch.filter((e) => e.id === id).map((e) => e.version)));
    }),
  );
});

test("P11: of the events with an entity's newest version, a resent one is kept, wherever it stands", () => {
  fc.assert(
    fc.property(events, (batch) => {
      for (const { id, version, resend } of reduce(batch)) {
        const equal = batch.filter((e) => e.id === id && e.version === version);
        const isResent = equal.some((e) => e.resend !== undefined);
        expect(resend !== undefined, `entity ${id}: version ${version} is resent in the batch: ${isResent}`).toBe(
          isResent,
        );
      }
    }),
  );
});

test("P11: a resend beside its original is kept in both orders, and an older resend is not", () => {
  const [original, resent] = [
    { id: "a", version: 3 },
    { id: "a", version: 3, resend: "7" },
  ] as const;
  expect(reduce([original, resent])).toEqual([resent]);
  expect(reduce([resent, original])).toEqual([resent]);
  expect(reduce([{ ...resent, version: 2 }, original])).toEqual([original]);
  expect(reduce([original, { ...resent, version: 2 }])).toEqual([original]);
});

test("reducing twice changes nothing, in any order of the batch", () => {
  const meaning = (batch: ReturnType<typeof reduce>) =>
    batch.map(({ id, version, resend }) => ({ id, version, isResent: resend !== undefined }));
  fc.assert(
    fc.property(events, (batch) => {
      expect(reduce(reduce(batch))).toEqual(reduce(batch));
      expect(meaning(reduce([...batch].reverse()))).toEqual(meaning(reduce(batch)));
    }),
  );
});

test("every event has one outcome; none counts as applied when PostgreSQL had a newer version", () => {
  fc.assert(
    fc.property(
      events,
      fc.dictionary(fc.constantFrom("a", "b", "c", "d"), fc.integer({ min: 0, max: 6 })),
      (batch, db) => {
        const unchanged = new Map(
          reduce(batch)
            .filter(({ id, version }) => (db[id] ?? 0) >= version)
            .map(({ id }) => [id, db[id]!]),
        );
        const found = outcomes(batch, unchanged);
        expect(found.length).toBe(batch.length);
        for (const [i, { id, version }] of batch.entries()) {
          const known = unchanged.get(id);
          if (known !== undefined) expect(found[i]).toBe(version === known ? "duplicate" : "stale");
        }
        for (const { id, version } of reduce(batch))
          if (!unchanged.has(id))
            expect(found[batch.findIndex((e) => e.id === id && e.version === version)]).toBe("applied");
      },
    ),
  );
});

test("within a batch, a repeated event is a duplicate and an older one is stale", () => {
  const batch = [1, 3, 3, 2, 4].map((version) => ({ id: "a", version }));
  expect(outcomes(batch, new Map())).toEqual(["applied", "applied", "duplicate", "stale", "applied"]);
});
