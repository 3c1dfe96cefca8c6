/**
 * Types for the internal modules of kafkajs 2.2.4 that this room uses: the connection to one broker and the codecs of
 * requests. package.json pins the version; an upgrade must pass the conformance suite.
 */
declare module "kafkajs/src/broker/index.js" {
  import type { RootLogger } from "kafkajs/src/loggers/index.js";
  import type ConnectionPool from "kafkajs/src/network/connectionPool.js";
  import type { Lookup } from "kafkajs/src/protocol/requests/index.js";

  /** One broker: connects, requests the API versions, authenticates. */
  export default class Broker {
    constructor(options: {
      connectionPool: ConnectionPool;
      logger: RootLogger;
      nodeId?: number | null;
      allowAutoTopicCreation?: boolean;
    });
    readonly connectionPool: ConnectionPool;
    /** Available once connected. */
    readonly lookupRequest: Lookup;
    /** Versions of each request that the broker supports, by its key. Available once connected. */
    readonly versions: Readonly<Record<number, { readonly minVersion: number; readonly maxVersion: number }>> | null;
    isConnected(): boolean;
    connect(): Promise<void>;
    disconnect(): Promise<void>;
  }
}

declare module "kafkajs/src/network/connectionPool.js" {
  import type { ISocketFactory, KafkaConfig } from "kafkajs";
  import type { RootLogger } from "kafkajs/src/loggers/index.js";
  import type { Protocol } from "kafkajs/src/protocol/requests/index.js";

  /** Two sockets to one broker: one for fetches, one for other requests. Each connects at its first request. */
  export default class ConnectionPool {
    constructor(options: {
      host: string;
      port: number;
      clientId: string;
      logger: RootLogger;
      socketFactory: ISocketFactory;
      requestTimeout: number;
      connectionTimeout: number;
      enforceRequestTimeout: boolean;
      ssl?: KafkaConfig["ssl"];
      sasl?: KafkaConfig["sasl"];
    });
    send<Response>(protocol: Protocol<Response>): Promise<Response>;
  }
}

declare module "kafkajs/src/network/requestQueue/index.js" {
  export default class RequestQueue {
    readonly pending: readonly unknown[];
    readonly throttledUntil: number;
    scheduleCheckPendingRequests(): void;
  }
}

declare module "kafkajs/src/loggers/index.js" {
  import type { logCreator } from "kafkajs";

  export interface RootLogger {
    namespace(name: string): RootLogger;
  }
  export function createLogger(options: { level: number; logCreator: logCreator }): RootLogger;
}

declare module "kafkajs/src/protocol/requests/index.js" {
  /** The body of a request, without its length. */
  export interface Encoded {
    readonly buf: Buffer;
    readonly buffer: Buffer;
  }
  export interface Protocol<Response> {
    readonly request: {
      readonly apiKey: number;
      readonly apiVersion: number;
      readonly apiName: string;
      readonly encode: () => Promise<Encoded>;
    };
    readonly response: {
      readonly decode: (body: Buffer) => Promise<Response>;
      readonly parse: (response: Response) => Promise<Response>;
    };
    readonly logResponseError?: boolean;
  }
  export interface Definition {
    protocol(options: { version: number }): (args: object) => Protocol<unknown>;
  }
  export type Lookup = (apiKey: number, definition: Definition) => (args: object) => Protocol<unknown>;
  export const requests: Readonly<Record<string, Definition>>;
}

declare module "kafkajs/src/protocol/requests/apiKeys.js" {
  const apiKeys: Readonly<Record<string, number>>;
  export default apiKeys;
}

declare module "kafkajs/src/protocol/encoder.js" {
  import type { Encoded } from "kafkajs/src/protocol/requests/index.js";

  export default class Encoder implements Encoded {
    buf: Buffer;
    offset: number;
    readonly buffer: Buffer;
    constructor(initialSize?: number);
    size(): number;
    writeBufferInternal(buffer: Buffer): void;
    writeEncoder(other: Encoder): this;
    writeInt8(value: number): this;
    writeInt16(value: number): this;
    writeInt32(value: number): this;
    writeString(value: string | null): this;
    writeBytes(value: Buffer): this;
    writeBuffer(value: Buffer): this;
    writeUVarInt(value: number): this;
    writeUVarIntString(value: string): this;
  }
}

declare module "kafkajs/src/protocol/decoder.js" {
  export default class Decoder {
    constructor(buffer: Buffer);
    readInt16(): number;
    readInt32(): number;
    readInt64(): bigint;
    readString(): string;
    readBytes(): Buffer | null;
    readArray<T>(read: (decoder: Decoder) => T): T[];
  }
}

declare module "kafkajs/src/protocol/requests/fetch/v4/decodeMessages.js" {
  import type Decoder from "kafkajs/src/protocol/decoder.js";

  /** kafkajs' decoder of record batches. The tests compare it with record-batch/decode.ts. */
  const decodeMessages: (
    decoder: Decoder,
  ) => Promise<readonly { key: Buffer | null; value: Buffer | null; offset: string }[]>;
  export default decodeMessages;
}
