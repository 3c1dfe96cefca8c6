/** Opens a socket to a broker and makes it ready for requests: API versions, then authentication. */
import type { KafkaConfig, SASLOptions } from "kafkajs";
import SaslAuthenticator, { type AuthenticatorLogger } from "kafkajs/src/broker/saslAuthenticator/index.js";
import { type ApiVersions, type KafkajsProtocol, requests } from "kafkajs/src/protocol/requests/index.js";
import type { Logger } from "../../observability/logger.ts";
import { fromKafkajs } from "./protocol.ts";
import { BrokerSocket, type SocketOptions } from "./socket.ts";

/** Kafka 2.0 and later support it. */
const API_VERSIONS_VERSION = 2;
/** A session with a limited lifetime is replaced this long before its end, or after half of it if that is later. */
const RENEW_BEFORE_MS = 10_000;

/** An authenticated socket, which accepts all requests. */
export interface Session {
  readonly socket: BrokerSocket;
  /** Versions of each request that the broker supports, by API key. */
  readonly versions: ApiVersions;
  /** By `performance.now()`. The broker closes the connection when it gets a request after the session's end. */
  readonly renewAtMs: number;
}

/** What a session needs beside its socket. */
export interface SessionOptions extends Omit<SocketOptions, "tls"> {
  readonly logger: Pick<Logger, "debug">;
  /** TLS and SASL in kafkajs' form. */
  readonly security: Pick<KafkaConfig, "ssl" | "sasl">;
}

/**
 * Connects and authenticates.
 *
 * @throws {ConnectionError} when the connection fails.
 * @throws {Error} of kafkajs when the broker rejects the credentials.
 */
export async function openSession(options: SessionOptions): Promise<Session> {
  const { ssl, sasl } = options.security;
  const socket = await BrokerSocket.connect({ ...options, tls: ssl === true ? {} : ssl || undefined });
  try {
    const versions = await readVersions(socket);
    const lifetimeMs = sasl ? await authenticate(socket, sasl as SASLOptions, versions, options) : 0;
    const renewAfterMs = lifetimeMs > 0 ? Math.max(lifetimeMs - RENEW_BEFORE_MS, lifetimeMs / 2) : Infinity;
    return { socket, versions, renewAtMs: performance.now() + renewAfterMs };
  } catch (error) {
    // kafkajs reports a lost connection as rejected credentials.
    const cause = socket.closedBy ?? error;
    socket.finish();
    throw cause;
  }
}

async function readVersions(socket: BrokerSocket): Promise<ApiVersions> {
  const protocol = requests.ApiVersions!.protocol({ version: API_VERSIONS_VERSION })({});
  const { apiVersions } = (await socket.send(await fromKafkajs(protocol))) as {
    apiVersions: readonly { apiKey: number; minVersion: number; maxVersion: number }[];
  };
  return Object.fromEntries(apiVersions.map((each) => [each.apiKey, each]));
}

/** @returns the session's lifetime in milliseconds, 0 without a limit. */
async function authenticate(
  socket: BrokerSocket,
  sasl: SASLOptions,
  versions: ApiVersions,
  { host, port, logger }: SessionOptions,
): Promise<number> {
  const connection = {
    host,
    port,
    sasl,
    send: async <Response>(protocol: KafkajsProtocol<Response>) =>
      protocol.response.parse(await socket.send(await fromKafkajs(protocol))),
  };
  const authenticator = new SaslAuthenticator(connection, toKafkajsLogger(logger), versions, true);
  await authenticator.authenticate();
  return Number(authenticator.sessionLifetime);
}

/** Logs kafkajs' lines at level debug: most of its errors are retried. */
function toKafkajsLogger(logger: Pick<Logger, "debug">): AuthenticatorLogger {
  const log = (message: string, details?: object) => logger.debug({ kafkajs: true, ...details }, message);
  const own: AuthenticatorLogger = { namespace: () => own, debug: log, error: log };
  return own;
}
