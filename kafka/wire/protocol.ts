/**
 * The requests whose codecs kafkajs provides, with types. Callers check the error codes inside responses: kafkajs' own
 * check discards a whole response for one failed partition, and knows no code above 88. produce-request.ts and
 * fetch-request.ts have codecs of their own.
 */
import apiKeys from "kafkajs/src/protocol/requests/apiKeys.js";
import { type KafkajsProtocol, type Lookup, requests } from "kafkajs/src/protocol/requests/index.js";

/** A request and the codec of its response. */
export interface Protocol<Response> {
  readonly request: {
    readonly apiKey: number;
    readonly apiVersion: number;
    /** Kafka's name of the request: `Produce`. */
    readonly apiName: string;
    /** Returns the body, behind `headerBytes` bytes that the connection fills in. */
    readonly encode: (headerBytes: number) => Buffer;
  };
  readonly response: {
    /** Reads the body of a response. The bytes may be kept. */
    readonly decode: (body: Buffer) => Response | Promise<Response>;
  };
}

/**
 * Kafka's isolation level: readers get committed records and records outside transactions, never those of open ones.
 */
export const READ_COMMITTED = 1;

/** What a coordinator coordinates: a consumer group or a transactional id. */
export const coordinatorType = { group: 0, transaction: 1 } as const;

/** Partitions of one topic, as requests and responses group them. */
export interface ByTopic<Partition> {
  readonly topic: string;
  readonly partitions: readonly Partition[];
}
interface Producer {
  readonly transactionalId: string;
  readonly producerId: string;
  readonly producerEpoch: number;
}
interface StaticMember {
  /** The id of a static member (KIP-345), or null for a dynamic one. */
  readonly groupInstanceId: string | null;
}
interface GroupMember {
  readonly groupId: string;
  readonly groupGenerationId: number;
  readonly memberId: string;
}
interface WithErrorCode {
  readonly errorCode: number;
}
/** The result for one partition. Error code 0 means success. */
export interface PartitionResult extends WithErrorCode {
  readonly partition: number;
}

/** Groups items by topic, in the form that requests need. */
export function byTopic<Item extends { readonly topic: string }, Partition>(
  items: readonly Item[],
  toPartition: (item: Item) => Partition,
): ByTopic<Partition>[] {
  return [...Map.groupBy(items, ({ topic }) => topic)].map(([topic, group]) => ({
    topic,
    partitions: group.map(toPartition),
  }));
}

/** Each request by its kafkajs name. Offsets and 64-bit ids are strings. */
export interface Requests {
  Metadata: {
    request: { topics: readonly string[]; allowAutoTopicCreation: false };
    response: {
      brokers: readonly { nodeId: number; host: string; port: number }[];
      clusterId: string | null;
      controllerId: number;
      topicMetadata: readonly {
        topicErrorCode: number;
        topic: string;
        partitionMetadata: readonly {
          partitionId: number;
          leader: number;
          replicas: readonly number[];
          isr: readonly number[];
        }[];
      }[];
    };
  };
  GroupCoordinator: {
    request: { groupId: string; coordinatorType: (typeof coordinatorType)[keyof typeof coordinatorType] };
    response: WithErrorCode & { coordinator: { nodeId: number; host: string; port: number } };
  };
  ListOffsets: {
    /** `timestamp`: -1 for the end of the partition, -2 for its beginning. */
    request: {
      replicaId: -1;
      isolationLevel: typeof READ_COMMITTED;
      topics: readonly ByTopic<{ partition: number; timestamp: number }>[];
    };
    response: { responses: readonly ByTopic<PartitionResult & { offset: string }>[] };
  };
  InitProducerId: {
    request: { transactionalId: string; transactionTimeout: number };
    response: WithErrorCode & { producerId: string; producerEpoch: number };
  };
  AddPartitionsToTxn: {
    request: Producer & { topics: readonly ByTopic<number>[] };
    response: { errors: readonly { topic: string; partitionErrors: readonly PartitionResult[] }[] };
  };
  EndTxn: { request: Producer & { transactionResult: boolean }; response: WithErrorCode };
  DescribeConfigs: {
    /** `type` 2 is a topic. No `configNames` means all of them. */
    request: {
      resources: readonly { type: 2; name: string; configNames: readonly string[] }[];
      includeSynonyms: false;
    };
    response: {
      resources: readonly (WithErrorCode & {
        configEntries: readonly { configName: string; configValue: string | null }[];
      })[];
    };
  };
  CreateTopics: {
    request: {
      topics: readonly {
        topic: string;
        numPartitions: number;
        replicationFactor: number;
        configEntries: readonly { name: string; value: string }[];
      }[];
      validateOnly: false;
      timeout: number;
    };
    response: { topicErrors: readonly { topic: string; errorCode: number; errorMessage?: string | null }[] };
  };
  JoinGroup: {
    request: StaticMember & {
      groupId: string;
      sessionTimeout: number;
      rebalanceTimeout: number;
      memberId: string;
      protocolType: "consumer";
      groupProtocols: readonly { name: string; metadata: Buffer }[];
    };
    response: WithErrorCode & {
      generationId: number;
      leaderId: string;
      memberId: string;
      members: readonly { memberId: string; memberMetadata: Buffer }[];
    };
  };
  SyncGroup: {
    request: StaticMember & {
      groupId: string;
      generationId: number;
      memberId: string;
      groupAssignment: readonly { memberId: string; memberAssignment: Buffer }[];
    };
    response: WithErrorCode & { memberAssignment: Buffer };
  };
  Heartbeat: { request: GroupMember & StaticMember; response: WithErrorCode };
  LeaveGroup: { request: StaticMember & { groupId: string; memberId: string }; response: Partial<WithErrorCode> };
  OffsetCommit: {
    request: GroupMember & { topics: readonly ByTopic<{ partition: number; offset: string }>[] };
    response: { responses: readonly ByTopic<PartitionResult>[] };
  };
  OffsetFetch: {
    request: { groupId: string; topics: readonly ByTopic<{ partition: number }>[] };
    response: WithErrorCode & { responses: readonly ByTopic<PartitionResult & { offset: string }>[] };
  };
}

/** Builds a request in the newest version that both kafkajs and the broker support. */
export function protocolOf<Name extends keyof Requests>(
  name: Name,
  body: Requests[Name]["request"],
  lookup: Lookup,
): Promise<Protocol<Requests[Name]["response"]>> {
  // kafkajs' codecs have no types. `Requests` was written from their source.
  const protocol = lookup(apiKeys[name]!, requests[name]!)(body) as KafkajsProtocol<Requests[Name]["response"]>;
  return fromKafkajs(protocol);
}

/** Encodes a request of kafkajs. Its response has no check of error codes. */
export async function fromKafkajs<Response>(protocol: KafkajsProtocol<Response>): Promise<Protocol<Response>> {
  const { apiKey, apiVersion, apiName, encode } = protocol.request;
  const body = (await encode()).buffer;
  return {
    request: { apiKey, apiVersion, apiName, encode: (headerBytes) => behindHeader(headerBytes, body) },
    response: { decode: protocol.response.decode },
  };
}

/** Returns the body behind free bytes for the header. */
export function behindHeader(headerBytes: number, body: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(headerBytes + body.length);
  body.copy(bytes, headerBytes);
  return bytes;
}
