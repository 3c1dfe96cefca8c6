/** The Metadata request, version 10: the first one that returns the identities of topics. kafkajs ends at version 6. */
import Encoder from "kafkajs/src/protocol/encoder.js";
import apiKeys from "kafkajs/src/protocol/requests/apiKeys.js";
import { behindHeader, type Protocol } from "./protocol.ts";

/** Brokers before Apache Kafka 2.8 do not support it. */
export const TOPIC_IDS_VERSION = 10;

const NO_ID = Buffer.alloc(16);
const NO_TAGS = 0;

/** The broker's result for one topic. */
export interface TopicIdResponse {
  readonly errorCode: number;
  readonly topic: string;
  /** 32 hexadecimal digits. */
  readonly id: string;
}

/** Builds the request. It creates no topic. */
export function topicIdsRequest(topics: readonly string[]): Protocol<readonly TopicIdResponse[]> {
  return {
    request: {
      apiKey: apiKeys.Metadata!,
      apiVersion: TOPIC_IDS_VERSION,
      apiName: "Metadata",
      encode: (headerBytes) => behindHeader(headerBytes, encode(topics)),
    },
    response: { decode },
  };
}

function encode(topics: readonly string[]): Buffer {
  // The first tags belong to the header, which ends without them.
  const body = new Encoder().writeInt8(NO_TAGS).writeUVarInt(topics.length + 1);
  for (const topic of topics) body.writeBuffer(NO_ID).writeUVarIntString(topic).writeInt8(NO_TAGS);
  // allow_auto_topic_creation, and whether to list the client's rights in the cluster and in the topics.
  return body.writeInt8(0).writeInt8(0).writeInt8(0).writeInt8(NO_TAGS).buffer;
}

function decode(body: Buffer): TopicIdResponse[] {
  const reader = new CompactReader(body);
  reader.skipTags(); // of the header
  reader.skip(4); // throttle time
  reader.list(() => {
    reader.skip(4); // broker id
    reader.bytes(); // host
    reader.skip(4); // port
    reader.bytes(); // rack
    reader.skipTags();
  });
  reader.bytes(); // cluster id
  reader.skip(4); // controller id
  return reader.list(() => readTopic(reader));
}

function readTopic(reader: CompactReader): TopicIdResponse {
  const errorCode = reader.skip(2).readInt16BE();
  const topic = reader.bytes().toString();
  const id = reader.skip(16).toString("hex");
  reader.skip(1); // is internal
  reader.list(() => {
    reader.skip(14); // error code, partition, leader, leader epoch
    for (let lists = 0; lists < 3; lists++) reader.list(() => reader.skip(4)); // replicas, in-sync, offline
    reader.skipTags();
  });
  reader.skip(4); // authorized operations
  reader.skipTags();
  return { errorCode, topic, id };
}

/**
 * Reads the compact encodings of newer requests: lengths are unsigned varints plus one, and 0 is null.
 *
 * @see KIP-482
 */
class CompactReader {
  private offset = 0;

  constructor(private readonly body: Buffer) {}

  /** Returns the next bytes. @throws {RangeError} when the body ends before. */
  skip(bytes: number): Buffer {
    const end = this.offset + bytes;
    if (end > this.body.length) throw new RangeError("the response ends too early");
    const part = this.body.subarray(this.offset, end);
    this.offset = end;
    return part;
  }

  /** Reads bytes or a string; null is empty. */
  bytes(): Buffer {
    return this.skip(Math.max(0, this.varint() - 1));
  }

  list<T>(read: () => T): T[] {
    return Array.from({ length: Math.max(0, this.varint() - 1) }, read);
  }

  skipTags(): void {
    for (let left = this.varint(); left > 0; left--) {
      this.varint();
      this.skip(this.varint());
    }
  }

  private varint(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.skip(1)[0]!;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  }
}
