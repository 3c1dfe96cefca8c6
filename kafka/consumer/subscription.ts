/** Encodes what members and the group's leader send each other through the coordinator. */
import { AssignerProtocol } from "kafkajs";
import type { TopicPartition } from "../log.ts";
import { byTopic } from "../wire/protocol.ts";
import type { Subscription } from "./assign.ts";

/** Encodes this member's subscription for JoinGroup. */
export function encodeSubscription(
  topics: readonly string[],
  { generation, owned }: Omit<Subscription, "memberId">,
): Buffer {
  const userData = Buffer.from(JSON.stringify({ generation, owned }));
  return AssignerProtocol.MemberMetadata.encode({ version: 0, topics: [...topics], userData });
}

/** Decodes a member's subscription. Unreadable data counts as a member without partitions. */
export function decodeSubscription(member: { memberId: string; memberMetadata: Buffer }): Subscription {
  const { memberId, memberMetadata } = member;
  try {
    const json = AssignerProtocol.MemberMetadata.decode(memberMetadata)?.userData.toString("utf8") ?? "";
    const { generation, owned } = JSON.parse(json) as { generation: number; owned: string[] };
    return { memberId, generation, owned };
  } catch {
    return { memberId, generation: -1, owned: [] };
  }
}

/** Encodes the partitions of one member for SyncGroup. */
export function encodeAssignment(partitions: readonly TopicPartition[]): Buffer {
  const topics = byTopic(partitions, ({ partition }) => partition);
  const assignment = Object.fromEntries(topics.map(({ topic, partitions: numbers }) => [topic, [...numbers]]));
  return AssignerProtocol.MemberAssignment.encode({ version: 0, assignment, userData: Buffer.alloc(0) });
}

/** Decodes the partitions that SyncGroup returns. */
export function decodeAssignment(bytes: Buffer): TopicPartition[] {
  const assignment = AssignerProtocol.MemberAssignment.decode(bytes)?.assignment ?? {};
  return Object.entries(assignment).flatMap(([topic, partitions]) =>
    partitions.map((partition) => ({ topic, partition })),
  );
}
