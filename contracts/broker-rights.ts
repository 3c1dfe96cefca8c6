/**
 * The rights that each service needs at brokers with authorization (Kafka's ACLs), derived from the writers and readers
 * of each topic. A test runs a write through all services, and the operations, with exactly these rights (P13).
 */
import { allEntities, replicaNames } from "./entities/index.ts";
import { controlTopic, receiptsTopic, replicaGroup, streamGroup, type TopicDeclaration, topicsOf } from "./topics.ts";

/** Operations by their names in Kafka's ACLs. Read and Write include Describe. */
export type BrokerOperation = "Read" | "Write" | "Describe" | "DescribeConfigs";

/** The operations that a user may perform on one resource. */
export interface BrokerRight {
  readonly resource: "topic" | "group" | "transactional-id";
  readonly name: string;
  /** True: the right applies to every resource whose name begins with `name`. */
  readonly prefixed: boolean;
  readonly operations: readonly BrokerOperation[];
}

/** A user at the brokers, and all of its rights. */
interface BrokerUser {
  /** `relay`, `replica-catalog`; `operations` stands for the console and the commands. */
  readonly name: string;
  readonly rights: readonly BrokerRight[];
}

const entityTopics: readonly TopicDeclaration[] = allEntities.flatMap(topicsOf);
const allTopics: readonly TopicDeclaration[] = [...entityTopics, receiptsTopic, controlTopic];

/**
 * The rights of some roles on all topics. A writer also reads its topics: it fences earlier writers with a transaction
 * and reads back what they stored.
 *
 * @param more further operations per topic.
 */
function topicRights(
  roles: readonly string[],
  more: (topic: TopicDeclaration) => readonly BrokerOperation[] = () => [],
) {
  return allTopics.flatMap((topic): BrokerRight[] => {
    const includesRole = (list: readonly string[]) => list.some((role) => roles.includes(role));
    const operations: BrokerOperation[] = [
      ...(includesRole(topic.writtenBy)
        ? (["Read", "Write"] as const)
        : includesRole(topic.readBy)
          ? (["Read"] as const)
          : []),
      ...more(topic),
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
const transactionalId = (name: string, prefixed: boolean): BrokerRight => ({
  resource: "transactional-id",
  name,
  prefixed,
  operations: ["Write"],
});

/** Relay, stream and replicas check at their start that all topics of the entities exist. */
const describeEntityTopics = (topic: TopicDeclaration): readonly BrokerOperation[] =>
  entityTopics.includes(topic) ? ["Describe"] : [];

const replicaUser = (name: string): BrokerUser => ({
  name: `replica-${name}`,
  rights: [
    // DescribeConfigs: the retention of tombstones decides whether a replica that was stopped must be rebuilt.
    ...topicRights(["replica", `replica ${name}`], (topic) => [
      ...describeEntityTopics(topic),
      ...(topic.readBy.includes(`replica ${name}`) ? (["DescribeConfigs"] as const) : []),
    ]),
    group(replicaGroup(name), "Read"),
    transactionalId(`lockstep.replica.${name}.`, true),
  ],
});

/** All users: one per service and replica, and one for operations. */
export const brokerUsers = (): readonly BrokerUser[] => [
  { name: "gateway", rights: topicRights(["gateway"]) },
  {
    name: "relay",
    rights: [...topicRights(["relay"], describeEntityTopics), transactionalId("lockstep.relay", false)],
  },
  {
    name: "stream",
    rights: [
      ...topicRights(["stream"], describeEntityTopics),
      group(streamGroup, "Read"),
      transactionalId("lockstep.stream.", true),
    ],
  },
  ...replicaNames.map(replicaUser),
  {
    name: "operations",
    rights: [
      ...topicRights(["operations", "console"], () => ["Read", "DescribeConfigs"]),
      ...[streamGroup, ...replicaNames.map(replicaGroup)].map((name) => group(name, "Describe")),
      transactionalId("lockstep.operations.", true),
    ],
  },
];

/** The arguments of `kafka-acls` that add a right. @param principal the user in Kafka's form: `User:lockstep-relay`. */
export const aclArguments = (principal: string, { resource, name, prefixed, operations }: BrokerRight): string[] => [
  ...["--add", "--allow-principal", principal],
  ...operations.flatMap((operation) => ["--operation", operation]),
  ...[`--${resource}`, name],
  ...(prefixed ? ["--resource-pattern-type", "prefixed"] : []),
];
