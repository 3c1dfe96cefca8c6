/**
 * The parts of kafkajs 2.2.4 that its own types leave out and that the seam stands on: one connection to one broker, and
 * the requests' codecs. Pinned to that version in package.json; the conformance suite is what an upgrade must pass.
 */
declare module "kafkajs/src/broker/index.js" {
  import type { RootLogger } from "kafkajs/src/loggers/index.js";
  import type ConnectionPool from "kafkajs/src/network/connectionPool.js";
  import type { Lookup } from "kafkajs/src/protocol/requests/index.js";

  /** One broker: connects, asks for the API versions, authenticates. */
  export default class Broker {
    constructor(options: {
      connectionPool: ConnectionPool;
      logger: RootLogger;
      nodeId?: number | null;
      allowAutoTopicCreation?: boolean;
      authenticationTimeout?: number;
    });
    readonly connectionPool: ConnectionPool;
    /** Usable once connected. */
    readonly lookupRequest: Lookup;
    isConnected(): boolean;
    connect(): Promise<void>;
    disconnect(): Promise<void>;
  }
}

declare module "kafkajs/src/network/connectionPool.js" {
  import type { ISocketFactory, KafkaConfig } from "kafkajs";
  import type { RootLogger } from "kafkajs/src/loggers/index.js";
  import type { Protocol } from "kafkajs/src/protocol/requests/index.js";

  /** Two sockets to one broker: one for fetches, one for the rest. Each is connected when first used. */
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
    send<Answer>(protocol: Protocol<Answer>): Promise<Answer>;
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
  /** What kafkajs writes to a socket: its size-less body. */
  export interface Encoded {
    readonly buf: Buffer;
    readonly buffer: Buffer;
  }
  export interface Protocol<Answer> {
    readonly request: {
      readonly apiKey: number;
      readonly apiVersion: number;
      readonly apiName: string;
      readonly encode: () => Promise<Encoded>;
    };
    readonly response: {
      readonly decode: (body: Buffer) => Promise<Answer>;
      readonly parse: (answer: Answer) => Promise<Answer>;
    };
    readonly requestTimeout?: number;
    readonly logResponseError?: boolean;
  }
  export interface Definition {
    readonly versions: readonly string[];
    protocol(at: { version: number }): (args: object) => Protocol<unknown>;
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

  /** kafkajs' own reader of record batches, which the tests of ours compare with. */
  const decodeMessages: (
    decoder: Decoder,
  ) => Promise<readonly { key: Buffer | null; value: Buffer | null; offset: string }[]>;
  export default decodeMessages;
}
