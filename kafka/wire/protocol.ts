/**
 * The requests that the seam sends, typed. kafkajs encodes and decodes them; the error codes inside the answers are left to
 * the caller, since kafkajs' own check throws away a whole answer for one failed partition, and knows no code above 88.
 */
import type { RootLogger } from "kafkajs/src/loggers/index.js";
import Decoder from "kafkajs/src/protocol/decoder.js";
import Encoder from "kafkajs/src/protocol/encoder.js";
import apiKeys from "kafkajs/src/protocol/requests/apiKeys.js";
import { type Lookup, type Protocol, requests } from "kafkajs/src/protocol/requests/index.js";

export type { RootLogger };

/** Readers see what is committed, and what belongs to no transaction; never what a writer may yet take back. */
export const READ_COMMITTED = 1;

export interface ByTopic<Partition> {
  readonly topic: string;
  readonly partitions: readonly Partition[];
}
interface Producer {
  readonly transactionalId: string;
  readonly producerId: string;
  readonly producerEpoch: number;
}
interface Static {
  /** Name of a static member (KIP-345); null for one without. */
  readonly groupInstanceId: string | null;
}
interface Member {
  readonly groupId: string;
  readonly groupGenerationId: number;
  readonly memberId: string;
}
interface Coded {
  readonly errorCode: number;
}
interface CodedPartition extends Coded {
  readonly partition: number;
}

/** Lists of partitions as requests want them: each topic named once. */
export function byTopic<At extends { readonly topic: string }, Partition>(
  parts: readonly At[],
  partitionOf: (part: At) => Partition,
): ByTopic<Partition>[] {
  return [...Map.groupBy(parts, ({ topic }) => topic)].map(([topic, of]) => ({
    topic,
    partitions: of.map(partitionOf),
  }));
}

/** Every request by its kafkajs name: what it takes and what it answers. Offsets and ids of 64 bits are strings. */
export interface Requests {
  Metadata: {
    args: { topics: readonly string[]; allowAutoTopicCreation: false };
    answer: {
      brokers: readonly { nodeId: number; host: string; port: number }[];
      clusterId: string | null;
      controllerId: number;
      topicMetadata: readonly {
        topicErrorCode: number;
        topic: string;
        partitionMetadata: readonly {
          partitionErrorCode: number;
          partitionId: number;
          leader: number;
          replicas: readonly number[];
          isr: readonly number[];
        }[];
      }[];
    };
  };
  GroupCoordinator: {
    /** 0 for a consumer group, 1 for a transactional id. */
    args: { groupId: string; coordinatorType: 0 | 1 };
    answer: Coded & { coordinator: { nodeId: number; host: string; port: number } };
  };
  ListOffsets: {
    /** -1 for the end of the partition, -2 for its beginning. */
    args: {
      replicaId: -1;
      isolationLevel: typeof READ_COMMITTED;
      topics: readonly ByTopic<{ partition: number; timestamp: number }>[];
    };
    answer: { responses: readonly ByTopic<CodedPartition & { offset: string }>[] };
  };
  InitProducerId: {
    args: { transactionalId: string; transactionTimeout: number };
    answer: Coded & { producerId: string; producerEpoch: number };
  };
  AddPartitionsToTxn: {
    args: Producer & { topics: readonly ByTopic<number>[] };
    answer: { errors: readonly { topic: string; partitionErrors: readonly CodedPartition[] }[] };
  };
  EndTxn: { args: Producer & { transactionResult: boolean }; answer: Coded };
  DescribeConfigs: {
    /** `type` 2: a topic. No names: all settings. */
    args: {
      resources: readonly { type: 2; name: string; configNames: readonly string[] }[];
      includeSynonyms: false;
    };
    answer: {
      resources: readonly (Coded & {
        resourceName: string;
        configEntries: readonly { configName: string; configValue: string | null }[];
      })[];
    };
  };
  CreateTopics: {
    args: {
      topics: readonly {
        topic: string;
        numPartitions: number;
        replicationFactor: number;
        configEntries: readonly { name: string; value: string }[];
      }[];
      validateOnly: false;
      timeout: number;
    };
    answer: { topicErrors: readonly { topic: string; errorCode: number; errorMessage?: string | null }[] };
  };
  JoinGroup: {
    args: Static & {
      groupId: string;
      sessionTimeout: number;
      rebalanceTimeout: number;
      memberId: string;
      protocolType: "consumer";
      groupProtocols: readonly { name: string; metadata: Buffer }[];
    };
    answer: Coded & {
      generationId: number;
      groupProtocol: string;
      leaderId: string;
      memberId: string;
      members: readonly { memberId: string; memberMetadata: Buffer }[];
    };
  };
  SyncGroup: {
    args: Static & {
      groupId: string;
      generationId: number;
      memberId: string;
      groupAssignment: readonly { memberId: string; memberAssignment: Buffer }[];
    };
    answer: Coded & { memberAssignment: Buffer };
  };
  Heartbeat: { args: Member & Static; answer: Coded };
  LeaveGroup: { args: Static & { groupId: string; memberId: string }; answer: Partial<Coded> };
  OffsetCommit: {
    args: Member & { topics: readonly ByTopic<{ partition: number; offset: string }>[] };
    answer: { responses: readonly ByTopic<CodedPartition>[] };
  };
  OffsetFetch: {
    args: { groupId: string; topics: readonly ByTopic<{ partition: number }>[] };
    answer: Coded & { responses: readonly ByTopic<CodedPartition & { offset: string }>[] };
  };
}

const keepErrorCodes = async <Answer>(answer: Answer) => answer;

/** A request in the newest version that both kafkajs and the broker know. */
export function protocolOf<Name extends keyof Requests>(
  name: Name,
  args: Requests[Name]["args"],
  lookup: Lookup,
): Protocol<Requests[Name]["answer"]> {
  // The map above is what kafkajs' untyped codecs were read to take and give.
  const protocol = lookup(apiKeys[name]!, requests[name]!)(args) as Protocol<Requests[Name]["answer"]>;
  return { ...protocol, response: { decode: protocol.response.decode, parse: keepErrorCodes } };
}

/** One encoded batch on its way to its partition. */
export interface ProducePartition {
  readonly topic: string;
  readonly partition: number;
  readonly batch: Buffer;
  /** Of the transaction that the batch belongs to; null for a batch outside any. */
  readonly transactionalId: string | null;
}
export interface ProduceResponse extends CodedPartition {
  readonly topic: string;
  /** Offset of the batch's first record; -1 with an error. */
  readonly baseOffset: number;
}

/** Produce, version 7, acknowledged by all in-sync replicas: batches as they are, each for another partition, of one transactional id. */
export function produceRequest(
  parts: readonly ProducePartition[],
  timeoutMs: number,
): Protocol<readonly ProduceResponse[]> {
  const encode = async () => {
    const topics = byTopic(parts, (part) => part);
    const transactionalId = parts[0]?.transactionalId ?? null;
    const body = new Encoder()
      .writeString(transactionalId)
      .writeInt16(-1)
      .writeInt32(timeoutMs)
      .writeInt32(topics.length);
    for (const { topic, partitions } of topics) {
      body.writeString(topic).writeInt32(partitions.length);
      // Not writeBytes: it makes room for the whole batch first.
      for (const { partition, batch } of partitions)
        body.writeInt32(partition).writeInt32(batch.length).writeBuffer(batch);
    }
    return body;
  };
  const decode = async (body: Buffer) =>
    new Decoder(body)
      .readArray((d) => {
        const topic = d.readString();
        return d.readArray((p) => {
          const answer = {
            topic,
            partition: p.readInt32(),
            errorCode: p.readInt16(),
            baseOffset: Number(p.readInt64()),
          };
          p.readInt64(); // log append time
          p.readInt64(); // log start offset
          return answer;
        });
      })
      .flat();
  return {
    request: { apiKey: apiKeys.Produce!, apiVersion: 7, apiName: "Produce", encode },
    response: { decode, parse: keepErrorCodes },
    logResponseError: false,
  };
}

export interface FetchPartition {
  readonly topic: string;
  readonly partition: number;
  readonly fetchOffset: number;
  readonly maxBytes: number;
}
export interface FetchResponse extends CodedPartition {
  readonly topic: string;
  readonly highWatermark: number;
  /** Transactions whose records in `bytes` do not count. */
  readonly abortedTransactions: readonly { producerId: bigint; firstOffset: number }[];
  readonly bytes: Buffer;
}

/** Fetch, version 11, of everything before the first open transaction. */
export function fetchRequest(
  parts: readonly FetchPartition[],
  limits: { maxWaitMs: number; maxBytes: number },
): Protocol<{ errorCode: number; parts: readonly FetchResponse[] }> {
  const protocol = requests.Fetch!.protocol({ version: 11 })({
    maxWaitTime: limits.maxWaitMs,
    minBytes: 1,
    maxBytes: limits.maxBytes,
    isolationLevel: READ_COMMITTED,
    topics: byTopic(parts, (part) => part),
  });
  const decode = async (body: Buffer) => {
    const d = new Decoder(body);
    d.readInt32(); // throttle time
    const errorCode = d.readInt16();
    d.readInt32(); // session
    const answers = d.readArray((t) => {
      const topic = t.readString();
      return t.readArray((p) => fetchedPartition(topic, p));
    });
    return { errorCode, parts: answers.flat() };
  };
  return { ...protocol, response: { decode, parse: keepErrorCodes } };
}

function fetchedPartition(topic: string, d: Decoder): FetchResponse {
  const partition = d.readInt32();
  const errorCode = d.readInt16();
  const highWatermark = Number(d.readInt64());
  d.readInt64(); // last stable offset
  d.readInt64(); // log start offset
  const abortedTransactions = d.readArray((a) => ({ producerId: a.readInt64(), firstOffset: Number(a.readInt64()) }));
  d.readInt32(); // preferred read replica
  return { topic, partition, errorCode, highWatermark, abortedTransactions, bytes: d.readBytes() ?? Buffer.alloc(0) };
}
