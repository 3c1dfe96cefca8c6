/** Sockets to servers that are silent, slow, or not what they should be. */
import { afterEach, expect, jest, test } from "bun:test";
import { once } from "node:events";
import net from "node:net";
import tls from "node:tls";
import { type CertificateAuthority, createAuthority } from "../../tests/harness/certificates.ts";
import { ConnectionError, ResponseTimeoutError } from "./broker-errors.ts";
import { behindHeader, type Protocol } from "./protocol.ts";
import { ResponseWatch } from "./response-watch.ts";
import { BrokerSocket, type SocketOptions } from "./socket.ts";

afterEach(() => void jest.useRealTimers());

/** A request with this body, whose response is returned as it is. */
const request = (apiKey: number, body = Buffer.alloc(0)): Protocol<Buffer> => ({
  request: { apiKey, apiVersion: 0, apiName: "Test", encode: (headerBytes) => behindHeader(headerBytes, body) },
  response: { decode: (bytes) => bytes },
});

/** Bytes before the body of a request, with the client id. */
const HEADER_BYTES = 14 + "test".length;

/** The bytes of a response. */
const response = (correlationId: number, body: string) => {
  const header = Buffer.alloc(8);
  header.writeInt32BE(4 + body.length, 0);
  header.writeInt32BE(correlationId, 4);
  return Buffer.concat([header, Buffer.from(body)]);
};

async function serve(server: net.Server, host = "127.0.0.1") {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const closed: ConnectionError[] = [];
  const options: SocketOptions = {
    host,
    port: (server.address() as net.AddressInfo).port,
    clientId: "test",
    tls: undefined,
    connectTimeoutMs: 1_000,
    timeoutMs: 1_000,
    joinTimeoutMs: 3_000,
    watch: new ResponseWatch(),
    onRequest: undefined,
    onClosed: (error) => closed.push(error),
  };
  return { options, closed };
}

/** A connected socket, and the server's end of it. @param authority signs the server's certificate, if it has one. */
async function connected(authority?: CertificateAuthority) {
  const accepted = Promise.withResolvers<net.Socket>();
  const accept = (socket: net.Socket) => accepted.resolve(socket.on("error", () => {}));
  const server = authority ? tls.createServer(await authority.issue("127.0.0.1"), accept) : net.createServer(accept);
  const { options, closed } = await serve(server);
  const socket = await BrokerSocket.connect({ ...options, tls: authority && { ca: authority.ca } });
  const broker = await accepted.promise;
  return { socket, broker, closed, [Symbol.dispose]: () => void [broker.destroy(), server.close()] };
}

const failure = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => "succeeded",
    (error: unknown) => error,
  );

for (const [name, apiKey, limitMs] of [
  ["a response", 3, 1_000],
  ["the response to a join", 11, 3_000],
] as const)
  test(`a socket closes when ${name} is overdue for ${limitMs} ms, and not while none is pending`, async () => {
    using pair = await connected();
    const { socket, broker, closed } = pair;
    jest.useFakeTimers();
    jest.advanceTimersByTime(60_000);
    expect(socket.isOpen).toBe(true);
    const outcomes = Promise.all([failure(socket.send(request(apiKey))), failure(socket.send(request(3)))]);
    jest.advanceTimersByTime(limitMs);
    // One byte of the response: the broker is not silent.
    const received = Promise.withResolvers<void>();
    const read = Reflect.get(socket, "receive").bind(socket);
    Reflect.set(socket, "receive", (chunk: Buffer) => {
      read(chunk);
      received.resolve();
    });
    broker.write(Buffer.from([0]));
    await received.promise;
    jest.advanceTimersByTime(limitMs);
    expect(socket.isOpen, "after a byte of the response").toBe(true);
    jest.advanceTimersByTime(250);
    for (const error of await outcomes) {
      expect(error).toBeInstanceOf(ResponseTimeoutError);
      expect(String(error)).toContain(`no response from the broker for ${limitMs} ms; closing the connection`);
    }
    expect(closed).toHaveLength(1);
  });

test("a socket closes when a response comes byte by byte and takes twice the limit", async () => {
  using pair = await connected();
  const { socket } = pair;
  jest.useFakeTimers();
  const outcome = failure(socket.send(request(3)));
  const receive = Reflect.get(socket, "receive").bind(socket) as (chunk: Buffer) => void;
  for (const byte of response(1, "a long body")) {
    receive(Buffer.from([byte]));
    jest.advanceTimersByTime(250);
  }
  expect(String(await outcome)).toContain("no response from the broker for 2000 ms");
});

for (const withTls of [false, true])
  test(`a request larger than the kernel's buffers arrives whole, and those behind it in order${withTls ? ", over TLS" : ""}`, async () => {
    using pair = await connected(withTls ? await createAuthority() : undefined);
    const { socket, broker } = pair;
    const large = Buffer.from(Uint32Array.from({ length: 5_000_000 }, (_, i) => i).buffer);
    const sent = [request(0, large), request(0, Buffer.from("second")), request(0, Buffer.from("third"))];
    const responses = sent.map((each) => socket.send(each));
    await Bun.sleep(50);
    const received: Buffer[] = [];
    let bytes = 0;
    const bodies: Buffer[] = [];
    broker.on("data", (chunk: Buffer) => {
      received.push(chunk);
      bytes += chunk.length;
      if (bytes < sent.reduce((sum, each) => sum + each.request.encode(HEADER_BYTES).length, 0)) return;
      for (let rest = Buffer.concat(received); rest.length > 0; rest = rest.subarray(4 + rest.readInt32BE(0))) {
        bodies.push(rest.subarray(HEADER_BYTES, 4 + rest.readInt32BE(0)));
        broker.write(response(rest.readInt32BE(8), String(bodies.length)));
      }
    });
    expect((await Promise.all(responses)).map(String)).toEqual(["1", "2", "3"]);
    expect(bodies[0]!.equals(large)).toBe(true);
    expect(bodies.slice(1).map(String)).toEqual(["second", "third"]);
  });

test("all requests of a socket fail when the broker closes it, and later ones too", async () => {
  using pair = await connected();
  const { socket, broker, closed } = pair;
  const outcomes = Promise.all([failure(socket.send(request(0))), failure(socket.send(request(0)))]);
  await once(broker, "data");
  broker.destroy();
  for (const error of await outcomes) expect(error).toBeInstanceOf(ConnectionError);
  expect(await failure(socket.send(request(0)))).toBeInstanceOf(ConnectionError);
  expect(closed).toHaveLength(1);
});

test("a response that belongs to no request, or to another one, closes the socket", async () => {
  for (const correlationId of [0, 2]) {
    using pair = await connected();
    const { socket, broker } = pair;
    const outcomes = Promise.all([failure(socket.send(request(0))), failure(socket.send(request(0)))]);
    broker.write(response(correlationId, "late"));
    for (const error of await outcomes) expect(String(error)).toContain("does not match the request");
  }
});

test("a socket that is to finish waits for its pending responses, and accepts no request", async () => {
  using pair = await connected();
  const { socket, broker, closed } = pair;
  const pending = socket.send(request(0));
  socket.finish();
  expect(await failure(socket.send(request(0)))).toBeInstanceOf(ConnectionError);
  expect(closed).toEqual([]);
  broker.write(response(1, "answer"));
  expect(String(await pending)).toBe("answer");
  expect(closed).toHaveLength(1);
});

test("an address that refuses, does not exist, or does not answer is a connection error", async () => {
  const server = net.createServer();
  const { options } = await serve(server);
  server.close();
  expect(await failure(BrokerSocket.connect(options))).toBeInstanceOf(ConnectionError);
  expect(await failure(BrokerSocket.connect({ ...options, host: "no-such-host.invalid" }))).toBeInstanceOf(
    ConnectionError,
  );
  // It accepts the connection, and never answers the TLS handshake.
  const silent = await serve(net.createServer((socket) => void socket.on("error", () => {})));
  const error = await failure(BrokerSocket.connect({ ...silent.options, tls: {} }));
  expect(String(error)).toMatch(/did not accept a connection in 1000 ms/);
});

test("P13: TLS rejects an unknown authority and a certificate of another host", async () => {
  const [authority, other] = [await createAuthority(), await createAuthority()];
  const serveTls = async (name: string, host: string) => {
    const server = tls.createServer(await authority.issue(name), (socket) => void socket.on("error", () => {}));
    return (
      await serve(
        server.on("tlsClientError", () => {}),
        host,
      )
    ).options;
  };
  const own = await serveTls("127.0.0.1", "127.0.0.1");
  const connect = async (options: SocketOptions, ca: string) => {
    const socket = await BrokerSocket.connect({ ...options, connectTimeoutMs: 10_000, tls: { ca } });
    socket.destroy(new ConnectionError("the test ends"));
    return "connected";
  };
  expect(await connect(own, authority.ca)).toBe("connected");
  expect(await connect(own, `${tls.rootCertificates[0]}\n${authority.ca}`), "one of two authorities").toBe("connected");
  expect(String(await failure(connect(own, other.ca)))).toMatch(/certificate/);
  for (const [name, host] of [
    ["example.org", "127.0.0.1"],
    ["127.0.0.1", "localhost"],
  ] as const) {
    const error = await failure(connect(await serveTls(name, host), authority.ca));
    expect(error).toBeInstanceOf(ConnectionError);
    expect(String(error)).toMatch(/does not match certificate/);
  }
});
