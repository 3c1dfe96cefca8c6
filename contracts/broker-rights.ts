/**
 * What each part may do at brokers that ask who comes (Kafka's ACLs): no more than it needs, derived from who writes and reads each topic.
 * A test runs the whole way of a write, and operations, with these and nothing else.
 */
import { allEntities, replicaNames } from "./entities/index.ts";
import { controlTopic, receiptsTopic, replicaGroup, streamGroup, type TopicDeclaration, topicsOf } from "./topics.ts";

/** By the names of Kafka's ACLs. Read and Write hold Describe as well. */
export type BrokerOperation = "Read" | "Write" | "Describe" | "DescribeConfigs";

/** What may be done with one resource. */
export interface BrokerRight {
  readonly resource: "topic" | "group" | "transactional-id";
  readonly name: string;
  /** Whether it is all that begins with the name. */
  readonly prefixed: boolean;
  readonly operations: readonly BrokerOperation[];
}

/** One part, and all that it may do. */
export interface BrokerUser {
  /** `relay`, `replica-catalog`; `operations` are the console and the verbs. */
  readonly name: string;
  readonly rights: readonly BrokerRight[];
}

const flowTopics: readonly TopicDeclaration[] = allEntities.flatMap(topicsOf);
const allTopics: readonly TopicDeclaration[] = [...flowTopics, receiptsTopic, controlTopic];

/** Whoever writes to a topic fences others off, which is a transaction, and reads back what was stored. */
function topicRights(
  roles: readonly string[],
  also: (topic: TopicDeclaration) => readonly BrokerOperation[] = () => [],
) {
  return allTopics.flatMap((topic): BrokerRight[] => {
    const is = (named: readonly string[]) => named.some((role) => roles.includes(role));
    const operations: BrokerOperation[] = [
      ...(is(topic.writtenBy) ? (["Read", "Write"] as const) : is(topic.readBy) ? (["Read"] as const) : []),
      ...also(topic),
    ];
    return operations.length > 0
      ? [{ resource: "topic", name: topic.name, prefixed: false, operations: [...new Set(operations)] }]
      : [];
  });
}

const group = (name: string, operation: BrokerOperation): BrokerRight => ({
  resource: "group",
  name,
  prefixed: false,
  operations: [operation],
});
const writers = (name: string, prefixed: boolean): BrokerRight => ({
  resource: "transactional-id",
  name,
  prefixed,
  operations: ["Write"],
});

/** Relay, stream and replicas look at the start whether all topics of the flow are there. */
const looks = (topic: TopicDeclaration): readonly BrokerOperation[] => (flowTopics.includes(topic) ? ["Describe"] : []);

const replicaUser = (name: string): BrokerUser => ({
  name: `replica-${name}`,
  rights: [
    // How long the log keeps tombstones decides whether a replica that was away must be rebuilt.
    ...topicRights(["replica", `replica ${name}`], (topic) => [
      ...looks(topic),
      ...(topic.readBy.includes(`replica ${name}`) ? (["DescribeConfigs"] as const) : []),
    ]),
    group(replicaGroup(name), "Read"),
    writers(`lockstep.replica.${name}.`, true),
  ],
});

/** Each part of this Lockstep, to be a user of its own at the brokers. */
export const brokerUsers = (): readonly BrokerUser[] => [
  { name: "gateway", rights: topicRights(["gateway"]) },
  { name: "relay", rights: [...topicRights(["relay"], looks), writers("lockstep.relay", false)] },
  {
    name: "stream",
    rights: [...topicRights(["stream"], looks), group(streamGroup, "Read"), writers("lockstep.stream.", true)],
  },
  ...replicaNames.map(replicaUser),
  {
    name: "operations",
    rights: [
      ...topicRights(["operations", "console"], () => ["Read", "DescribeConfigs"]),
      ...[streamGroup, ...replicaNames.map(replicaGroup)].map((name) => group(name, "Describe")),
      writers("lockstep.operations.", true),
    ],
  },
];

/** The same as arguments of Kafka's own tool (`kafka-acls --add …`), a line for each right. @param principal of a user: `User:lockstep-relay`. */
export const aclArguments = (principal: string, { resource, name, prefixed, operations }: BrokerRight): string[] => [
  ...["--add", "--allow-principal", principal],
  ...operations.flatMap((operation) => ["--operation", operation]),
  ...[`--${resource}`, name],
  ...(prefixed ? ["--resource-pattern-type", "prefixed"] : []),
];
