/**
 * Assigns partitions to members evenly and with few moves: the new owner of a partition has to load its state. A move
 * takes two rounds (cooperative rebalancing, KIP-429). In the first, no member gets the partition, so its owner revokes
 * it. In the second, the new owner gets it. So no partition ever has two owners, and all others continue meanwhile.
 */
import { partitionKey, type TopicPartition } from "../log.ts";

/** What a member reports when it joins the group. */
export interface Subscription {
  readonly memberId: string;
  /** The group's generation in which the member got its partitions. */
  readonly generation: number;
  /** Keys of the partitions that it owns now, see `partitionKey`. */
  readonly owned: readonly string[];
}

/** Returns the partitions of every member. A partition that moves is in none of them. */
export function assign(
  subscriptions: readonly Subscription[],
  partitions: readonly TopicPartition[],
): ReadonlyMap<string, readonly TopicPartition[]> {
  const byKey = new Map(partitions.map((each) => [partitionKey(each), each]));
  const owners = currentOwners(subscriptions, byKey);
  const shares = fairShares(subscriptions, owners, partitions.length);
  const target = new Map(subscriptions.map(({ memberId }) => [memberId, [] as string[]]));

  const unassigned: string[] = [];
  for (const key of byKey.keys()) {
    const owner = owners.get(key);
    const ownerTarget = owner === undefined ? undefined : target.get(owner);
    if (ownerTarget && ownerTarget.length < shares.get(owner!)!) ownerTarget.push(key);
    else unassigned.push(key);
  }
  for (const [memberId, share] of shares) {
    const memberTarget = target.get(memberId)!;
    while (memberTarget.length < share) memberTarget.push(unassigned.pop()!);
  }
  const isAvailable = (key: string, memberId: string) => !owners.has(key) || owners.get(key) === memberId;
  return new Map(
    [...target].map(([memberId, keys]) => [
      memberId,
      keys.filter((key) => isAvailable(key, memberId)).map((key) => byKey.get(key)!),
    ]),
  );
}

/** When two members report the same partition, the one with the newer generation owns it. */
function currentOwners(
  subscriptions: readonly Subscription[],
  partitions: ReadonlyMap<string, unknown>,
): Map<string, string> {
  const owners = new Map<string, string>();
  for (const { memberId, owned } of subscriptions.toSorted((a, b) => a.generation - b.generation))
    for (const key of owned) if (partitions.has(key)) owners.set(key, memberId);
  return owners;
}

/** Shares differ by one at most. The larger ones go to members that own the most, then by member id. */
function fairShares(
  subscriptions: readonly Subscription[],
  owners: ReadonlyMap<string, string>,
  partitionCount: number,
): Map<string, number> {
  const owned = new Map(subscriptions.map(({ memberId }) => [memberId, 0]));
  for (const owner of owners.values()) owned.set(owner, owned.get(owner)! + 1);
  const members = [...owned].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1));
  const base = Math.floor(partitionCount / members.length);
  const larger = partitionCount % members.length;
  return new Map(members.map(([memberId], i) => [memberId, base + (i < larger ? 1 : 0)]));
}
