import { afterEach, expect, jest, test } from "bun:test";
import { once } from "node:events";
import net from "node:net";
import { RESPONSE_TIMEOUT, socketFactory } from "./socket.ts";

afterEach(() => void jest.useRealTimers());

test("repeated unref calls on a socket add no listeners, neither before nor after its connection failed", async () => {
  const socket = socketFactory(
    1_000,
    1_000,
  )({
    host: "127.0.0.1",
    // The discard port. No process listens on it.
    port: 9,
    ssl: undefined as never,
    onConnect: () => {},
  });
  const failed = once(socket, "error");
  const before = socket.listenerCount("connect");
  for (let i = 0; i < 20; i++) socket.unref();
  expect(socket.listenerCount("connect")).toBeLessThanOrEqual(before + 1);
  await failed;
  for (let i = 0; i < 20; i++) socket.unref();
  expect(socket.listenerCount("connect")).toBeLessThanOrEqual(before + 1);
});

/** A request: its length, its API key, its content. */
const request = (apiKey: number) => {
  const bytes = Buffer.alloc(12);
  bytes.writeInt32BE(8);
  bytes.writeInt16BE(apiKey, 4);
  return bytes;
};

for (const [name, apiKey, limitMs] of [
  ["a response", 3, 1_000],
  ["the response to a join", 11, 3_000],
] as const)
  test(`a socket closes when ${name} is overdue for ${limitMs} ms, and not while none is pending`, async () => {
    const accepted = Promise.withResolvers<net.Socket>();
    const server = net.createServer((socket) => accepted.resolve(socket)).listen(0, "127.0.0.1");
    await once(server, "listening");
    jest.useFakeTimers();
    const connected = Promise.withResolvers<void>();
    const socket = socketFactory(
      1_000,
      3_000,
    )({
      host: "127.0.0.1",
      port: (server.address() as net.AddressInfo).port,
      ssl: undefined as never,
      onConnect: connected.resolve,
    });
    let failure: unknown;
    socket.on("error", (error) => {
      failure = error;
    });
    await connected.promise;
    const broker = await accepted.promise;
    jest.advanceTimersByTime(60_000);
    expect(socket.destroyed).toBe(false);
    socket.write(request(apiKey));
    jest.advanceTimersByTime(limitMs);
    // One byte of the response: the broker is not silent.
    const received = once(socket, "data");
    broker.write(Buffer.from([0]));
    await received;
    jest.advanceTimersByTime(limitMs);
    expect(socket.destroyed).toBe(false);
    const closed = new Promise<void>((resolve) => socket.on("close", () => resolve()));
    jest.advanceTimersByTime(250);
    await closed;
    expect(failure).toMatchObject({
      code: RESPONSE_TIMEOUT,
      message: `no response from the broker for ${limitMs} ms; closing the connection`,
    });
    broker.destroy();
    server.close();
  });
