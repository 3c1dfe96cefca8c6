/**
 * The rights that each service needs at brokers with authorization (Kafka's ACLs), derived from the writers and readers
 * of each topic. A test runs a write through all services, and the operations, with exactly these rights (P13).
 */
import { type Project, qualify } from "./project.ts";
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

/** The topics of a project: those of its entities, and those that all entities share. */
interface ProjectTopics {
  readonly ofEntities: readonly TopicDeclaration[];
  readonly all: readonly TopicDeclaration[];
}

function topicsOfProject(project: Project): ProjectTopics {
  const ofEntities = project.allEntities.flatMap(topicsOf);
  return { ofEntities, all: [...ofEntities, receiptsTopic(project), controlTopic(project)] };
}

/**
 * The rights of some roles on all topics. A writer also reads its topics: it fences earlier writers with a transaction
 * and reads back what they stored.
 *
 * @param more further operations per topic.
 */
function topicRights(
  { all }: ProjectTopics,
  roles: readonly string[],
  more: (topic: TopicDeclaration) => readonly BrokerOperation[] = () => [],
) {
  return all.flatMap((topic): BrokerRight[] => {
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
const describeEntityTopics =
  ({ ofEntities }: ProjectTopics) =>
  (topic: TopicDeclaration): readonly BrokerOperation[] =>
    ofEntities.includes(topic) ? ["Describe"] : [];

const replicaUser = (project: Project, topics: ProjectTopics, name: string): BrokerUser => ({
  name: `replica-${name}`,
  rights: [
    // DescribeConfigs: the retention of tombstones decides whether a replica that was stopped must be rebuilt.
    ...topicRights(topics, ["replica", `replica ${name}`], (topic) => [
      ...describeEntityTopics(topics)(topic),
      ...(topic.readBy.includes(`replica ${name}`) ? (["DescribeConfigs"] as const) : []),
    ]),
    group(replicaGroup(project, name), "Read"),
    transactionalId(qualify(project, `lockstep.replica.${name}.`), true),
  ],
});

/** All users of a project: one per service and replica, and one for operations. */
export function brokerUsers(project: Project): readonly BrokerUser[] {
  const topics = topicsOfProject(project);
  const groups = [streamGroup(project), ...project.replicaNames.map((name) => replicaGroup(project, name))];
  return [
    { name: "gateway", rights: topicRights(topics, ["gateway"]) },
    {
      name: "relay",
      rights: [
        ...topicRights(topics, ["relay"], describeEntityTopics(topics)),
        transactionalId(qualify(project, "lockstep.relay"), false),
        transactionalId(qualify(project, "lockstep.relay.source"), false),
      ],
    },
    {
      name: "stream",
      rights: [
        ...topicRights(topics, ["stream"], describeEntityTopics(topics)),
        group(streamGroup(project), "Read"),
        transactionalId(qualify(project, "lockstep.stream."), true),
      ],
    },
    ...project.replicaNames.map((name) => replicaUser(project, topics, name)),
    {
      name: "operations",
      rights: [
        ...topicRights(topics, ["operations", "console"], () => ["Read", "DescribeConfigs"]),
        ...groups.map((name) => group(name, "Describe")),
        transactionalId(qualify(project, "lockstep.operations."), true),
      ],
    },
  ];
}

/** The arguments of `kafka-acls` that add a right. @param principal the user in Kafka's form: `User:lockstep-relay`. */
export const aclArguments = (principal: string, { resource, name, prefixed, operations }: BrokerRight): string[] => [
  ...["--add", "--allow-principal", principal],
  ...operations.flatMap((operation) => ["--operation", operation]),
  ...[`--${resource}`, name],
  ...(prefixed ? ["--resource-pattern-type", "prefixed"] : []),
];
