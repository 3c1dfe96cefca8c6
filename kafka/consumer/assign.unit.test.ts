import { expect, test } from "bun:test";
import fc from "fast-check";
import { partitionKey } from "../log.ts";
import { assign, type Subscription } from "./assign.ts";

const partitions = (count: number) => Array.from({ length: count }, (_, partition) => ({ topic: "t", partition }));

/** Plays rounds until nobody has to give anything up, as the group does. */
function settle(claims: readonly Subscription[], count: number) {
  let now = claims;
  for (let round = 1; round <= 4; round++) {
    const given = assign(now, partitions(count));
    const moved = now.some(({ memberId, owned }) => {
      const names = new Set(given.get(memberId)!.map(partitionKey));
      return owned.some((name) => !names.has(name));
    });
    const generation = Math.max(...now.map((claim) => claim.generation)) + 1;
    now = now.map(({ memberId }) => ({ memberId, generation, owned: given.get(memberId)!.map(partitionKey) }));
    if (!moved) return { claims: now, rounds: round };
  }
  throw new Error("the group does not settle");
}

const someClaims = fc.tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 0, max: 30 })).chain(([members, count]) =>
  fc
    .tuple(
      fc.array(fc.integer({ min: 1, max: 3 }), { minLength: members, maxLength: members }),
      fc.array(fc.array(fc.integer({ min: 0, max: members - 1 }), { maxLength: 2 }), {
        minLength: count,
        maxLength: count,
      }),
    )
    .map(([generations, owners]) => ({
      count,
      claims: generations.map((generation, i) => ({
        memberId: `m${i}`,
        generation,
        owned: owners.flatMap((of, partition) => (of.includes(i) ? [`t/${partition}`] : [])),
      })),
    })),
);

test("whatever members claim, no partition has two owners, and one that is claimed goes to nobody else at once", () => {
  fc.assert(
    fc.property(someClaims, ({ claims, count }) => {
      const given = assign(claims, partitions(count));
      const all = [...given.values()].flat().map(partitionKey);
      expect(new Set(all).size).toBe(all.length);
      for (const [memberId, of] of given)
        for (const name of of.map(partitionKey)) {
          const claimants = claims.filter(({ owned }) => owned.includes(name));
          const newest = Math.max(...claimants.map(({ generation }) => generation));
          const mine = claimants.some((claim) => claim.memberId === memberId && claim.generation === newest);
          expect(claimants.length === 0 || mine).toBe(true);
        }
    }),
  );
});

test("a group settles in two further rounds at most, with every partition owned and shares that differ by one at most", () => {
  fc.assert(
    fc.property(someClaims, ({ claims, count }) => {
      const { claims: settled, rounds } = settle(claims, count);
      expect(rounds).toBeLessThanOrEqual(3);
      const shares = settled.map(({ owned }) => owned.length);
      expect(shares.reduce((a, b) => a + b, 0)).toBe(count);
      expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(1);
    }),
  );
});

test("a member that joins takes only its share, one that leaves gives only its own", () => {
  const [a, b] = [
    { memberId: "a", generation: 0, owned: [] },
    { memberId: "b", generation: 0, owned: [] },
  ];
  const alone = settle([a], 12).claims;
  const two = settle([...alone, b], 12).claims;
  const kept = two[0]!.owned.filter((name) => alone[0]!.owned.includes(name));
  expect(kept).toHaveLength(6);
  const [left] = settle([two[1]!], 12).claims;
  expect(two[1]!.owned.every((name) => left!.owned.includes(name))).toBe(true);
});
