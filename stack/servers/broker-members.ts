/** Asks a broker for the members of its cluster, with one request of the Kafka protocol. No retries. */
import { connect } from "node:net";

const METADATA = 3;
const VERSION = 1;

/** Metadata request v1 for no topics: size, api key, version, correlation id, client id (null), topics (none). */
const request = (() => {
  const body = Buffer.alloc(4 + 2 + 2 + 4 + 2 + 4);
  body.writeInt32BE(body.length - 4, 0);
  body.writeInt16BE(METADATA, 4);
  body.writeInt16BE(VERSION, 6);
  body.writeInt32BE(1, 8);
  body.writeInt16BE(-1, 12);
  body.writeInt32BE(0, 14);
  return body;
})();

/** Reads the response: size, correlation id, then brokers as (id, host, port, rack). */
function memberIds(response: Buffer): number[] {
  let position = 8;
  const count = response.readInt32BE(position);
  position += 4;
  return Array.from({ length: count }, () => {
    const id = response.readInt32BE(position);
    position += 4;
    position += 2 + response.readInt16BE(position) + 4;
    position += 2 + Math.max(0, response.readInt16BE(position));
    return id;
  });
}

/** The broker accepts connections, but closes those without TLS or SASL. */
export class SecuredBrokerError extends Error {}

/**
 * The node ids of all brokers that accept requests, according to the broker at this address.
 *
 * @throws {SecuredBrokerError} when it closes the connection, {Error} when it does not answer within `timeoutMs`.
 * @see https://kafka.apache.org/protocol#The_Messages_Metadata
 */
export function brokerMembers(host: string, port: number, timeoutMs = 2_000): Promise<number[]> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    const fail = (reason: string, ErrorType: new (message: string) => Error = Error) => {
      socket.destroy();
      reject(new ErrorType(`the broker at ${host}:${port} ${reason}`));
    };
    let received = Buffer.alloc(0);
    const timer = setTimeout(() => fail(`did not answer within ${timeoutMs} ms`), timeoutMs);
    socket.once("connect", () => socket.write(request));
    socket.on("data", (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      if (received.length < 4 || received.length < 4 + received.readInt32BE(0)) return;
      clearTimeout(timer);
      // Another server may listen there. On a port for outgoing connections, a connection can even reach itself.
      try {
        resolve(memberIds(received));
        socket.destroy();
      } catch {
        fail("did not answer as a broker does");
      }
    });
    socket.once("error", (error) => fail(error.message));
    socket.once("close", () => {
      clearTimeout(timer);
      fail("closed the connection", SecuredBrokerError);
    });
  });
}
