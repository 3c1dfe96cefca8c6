/**
 * Types for the internal modules of kafkajs 2.2.4 that this room uses: authentication and the codecs of requests.
 * package.json pins the version; an upgrade must pass the conformance suite.
 */
declare module "kafkajs/src/broker/saslAuthenticator/index.js" {
  import type { SASLOptions } from "kafkajs";
  import type { ApiVersions, KafkajsProtocol } from "kafkajs/src/protocol/requests/index.js";

  export interface AuthenticatorLogger {
    namespace(name: string): AuthenticatorLogger;
    debug(message: string, details?: object): void;
    error(message: string, details?: object): void;
  }

  /** Authenticates one connection with the requests SaslHandshake and SaslAuthenticate. */
  export default class SaslAuthenticator {
    constructor(
      connection: {
        readonly host: string;
        readonly port: number;
        readonly sasl: SASLOptions;
        /** Sends a request, and throws on error codes in its response. */
        send<Response>(protocol: KafkajsProtocol<Response>): Promise<Response>;
      },
      logger: AuthenticatorLogger,
      versions: ApiVersions,
      /** False for brokers before Kafka 1.0. */
      supportsSaslAuthenticate: true,
    );
    /** In milliseconds, 0 without a limit. */
    readonly sessionLifetime: string;
    authenticate(): Promise<void>;
  }
}

declare module "kafkajs/src/protocol/requests/index.js" {
  /** Versions of each request that a broker supports, by API key. */
  export type ApiVersions = Readonly<Record<number, { readonly minVersion: number; readonly maxVersion: number }>>;
  /** A request as kafkajs builds it. */
  export interface KafkajsProtocol<Response> {
    readonly request: {
      readonly apiKey: number;
      readonly apiVersion: number;
      readonly apiName: string;
      /** Returns the body, without length and header. */
      readonly encode: () => Promise<{ readonly buffer: Buffer }>;
    };
    readonly response: {
      readonly decode: (body: Buffer) => Promise<Response>;
      /** Throws on error codes in the response. */
      readonly parse: (response: Response) => Promise<Response>;
    };
  }
  export interface Definition {
    protocol(options: { version: number }): (args: object) => KafkajsProtocol<unknown>;
  }
  export type Lookup = (apiKey: number, definition: Definition) => (args: object) => KafkajsProtocol<unknown>;
  /** Finds the newest version that both kafkajs and the broker support. */
  export const lookup: (versions: ApiVersions) => Lookup;
  export const requests: Readonly<Record<string, Definition>>;
}

declare module "kafkajs/src/protocol/requests/apiKeys.js" {
  const apiKeys: Readonly<Record<string, number>>;
  export default apiKeys;
}

declare module "kafkajs/src/protocol/encoder.js" {
  export default class Encoder {
    readonly buffer: Buffer;
    constructor(initialSize?: number);
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
