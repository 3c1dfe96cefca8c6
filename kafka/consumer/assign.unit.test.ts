import { expect, test } from "bun:test";
import fc from "fast-check";
import { partitionKey } from "../log.ts";
import { assign, type Subscription } from "./assign.ts";

const partitions = (count: number) => Array.from({ length: count }, (_, partition) => ({ topic: "t", partition }));

/** Repeats rounds until no member has to revoke a partition, like the group does. */
function settle(subscriptions: readonly Subscription[], count: number) {
  let current = subscriptions;
  for (let round = 1; round <= 4; round++) {
    const assigned = assign(current, partitions(count));
    const isMoving = current.some(({ memberId, owned }) => {
      const keys = new Set(assigned.get(memberId)!.map(partitionKey));
      return owned.some((key) => !keys.has(key));
    });
    const generation = Math.max(...current.map((subscription) => subscription.generation)) + 1;
    current = current.map(({ memberId }) => ({
      memberId,
      generation,
      owned: assigned.get(memberId)!.map(partitionKey),
    }));
    if (!isMoving) return { subscriptions: current, rounds: round };
  }
  throw new Error("the group is not stable after 4 rounds");
}

const anySubscriptions = fc
  .tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 0, max: 30 }))
  .chain(([members, count]) =>
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
        subscriptions: generations.map((generation, i) => ({
          memberId: `m${i}`,
          generation,
          owned: owners.flatMap((of, partition) => (of.includes(i) ? [`t/${partition}`] : [])),
        })),
      })),
  );

test("no partition ever has two owners, and an owned partition never moves in the same round", () => {
  fc.assert(
    fc.property(anySubscriptions, ({ subscriptions, count }) => {
      const assigned = assign(subscriptions, partitions(count));
      const all = [...assigned.values()].flat().map(partitionKey);
      expect(new Set(all).size).toBe(all.length);
      for (const [memberId, ofMember] of assigned)
        for (const key of ofMember.map(partitionKey)) {
          const owners = subscriptions.filter(({ owned }) => owned.includes(key));
          const newest = Math.max(...owners.map(({ generation }) => generation));
          const isNewestOwner = owners.some(
            (subscription) => subscription.memberId === memberId && subscription.generation === newest,
          );
          expect(owners.length === 0 || isNewestOwner).toBe(true);
        }
    }),
  );
});

test("a group is stable after two more rounds: every partition is owned, and shares differ by one", () => {
  fc.assert(
    fc.property(anySubscriptions, ({ subscriptions, count }) => {
      const { subscriptions: settled, rounds } = settle(subscriptions, count);
      expect(rounds).toBeLessThanOrEqual(3);
      const shares = settled.map(({ owned }) => owned.length);
      expect(shares.reduce((a, b) => a + b, 0)).toBe(count);
      expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(1);
    }),
  );
});

test("a member that joins takes only its share, and a member that leaves moves only its own partitions", () => {
  const [a, b] = [
    { memberId: "a", generation: 0, owned: [] },
    { memberId: "b", generation: 0, owned: [] },
  ];
  const alone = settle([a], 12).subscriptions;
  const two = settle([...alone, b], 12).subscriptions;
  const unmoved = two[0]!.owned.filter((key) => alone[0]!.owned.includes(key));
  expect(unmoved).toHaveLength(6);
  const [left] = settle([two[1]!], 12).subscriptions;
  expect(two[1]!.owned.every((key) => left!.owned.includes(key))).toBe(true);
});
