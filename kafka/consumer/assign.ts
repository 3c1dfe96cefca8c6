/**
 * Who reads which partition: evenly, and with as few moves as possible, since a partition that moves costs its new owner a
 * restart of its state. A partition that is to move is first left out, so that its owner gives it up; the next round hands
 * it on (cooperative rebalancing, KIP-429). So two members never have the same partition, and the rest flows on meanwhile.
 */
import { partitionKey, type TopicPartition } from "../log.ts";

/** What a member says when it joins. */
export interface Subscription {
  readonly memberId: string;
  /** The round of the group in which it was given what it owns. */
  readonly generation: number;
  /** Names of the partitions that it owns now. */
  readonly owned: readonly string[];
}

/** Decides for all members. Every member gets an entry; partitions that are on the move are in none. */
export function assign(
  claims: readonly Subscription[],
  partitions: readonly TopicPartition[],
): ReadonlyMap<string, readonly TopicPartition[]> {
  const byName = new Map(partitions.map((topicPartition) => [partitionKey(topicPartition), topicPartition]));
  const owners = currentOwners(claims, byName);
  const shares = fairShares(claims, owners, partitions.length);
  const target = new Map(claims.map(({ memberId }) => [memberId, [] as string[]]));

  const homeless: string[] = [];
  for (const name of byName.keys()) {
    const owner = owners.get(name);
    const kept = owner === undefined ? undefined : target.get(owner);
    if (kept && kept.length < shares.get(owner!)!) kept.push(name);
    else homeless.push(name);
  }
  for (const [memberId, share] of shares) {
    const mine = target.get(memberId)!;
    while (mine.length < share) mine.push(homeless.pop()!);
  }
  const free = (name: string, memberId: string) => !owners.has(name) || owners.get(name) === memberId;
  return new Map(
    [...target].map(([memberId, names]) => [
      memberId,
      names.filter((name) => free(name, memberId)).map((name) => byName.get(name)!),
    ]),
  );
}

/** When two members claim one partition, the one that was given it later is right. */
function currentOwners(claims: readonly Subscription[], partitions: ReadonlyMap<string, unknown>): Map<string, string> {
  const owners = new Map<string, string>();
  for (const { memberId, owned } of claims.toSorted((a, b) => a.generation - b.generation))
    for (const name of owned) if (partitions.has(name)) owners.set(name, memberId);
  return owners;
}

/** As equal as whole numbers allow; the larger shares go to those who own the most, then by member id. */
function fairShares(
  claims: readonly Subscription[],
  owners: ReadonlyMap<string, string>,
  partitions: number,
): Map<string, number> {
  const count = new Map(claims.map(({ memberId }) => [memberId, 0]));
  for (const owner of owners.values()) count.set(owner, count.get(owner)! + 1);
  const members = [...count].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1));
  const base = Math.floor(partitions / members.length);
  const larger = partitions % members.length;
  return new Map(members.map(([memberId], i) => [memberId, base + (i < larger ? 1 : 0)]));
}
