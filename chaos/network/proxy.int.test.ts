/** The proxy between a client and a server that sends back what it gets. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import net from "node:net";
import { eventually } from "../../tests/harness/eventually.ts";
import { type FaultProxy, startProxy } from "./proxy.ts";

/** One end of a connection, with what it has seen. */
class End {
  received = "";
  closedBy: "end" | "ECONNRESET" | undefined;

  constructor(readonly socket: net.Socket) {
    socket.on("data", (data) => {
      this.received += data;
    });
    socket.on("error", (error: NodeJS.ErrnoException) => {
      this.closedBy = error.code as "ECONNRESET";
    });
    socket.on("close", () => {
      this.closedBy ??= "end";
    });
  }
}

let server: net.Server;
/** The server's ends, in the order of their connections. */
let accepted: End[];
let proxy: FaultProxy;
/** What the proxy has got from clients. */
let seen: string;

beforeEach(async () => {
  accepted = [];
  server = net.createServer((socket) => {
    accepted.push(new End(socket));
    socket.on("data", (data) => socket.write(data));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  seen = "";
  proxy = await startProxy({
    name: "client → server",
    targetPort: (server.address() as net.AddressInfo).port,
    createFilter: () => ({
      onData: (direction, data, forward) => {
        if (direction === "request") seen += data;
        forward(data);
      },
      isHolding: () => false,
    }),
  });
});
afterEach(async () => {
  await proxy.close();
  for (const { socket } of accepted) socket.destroy();
  server.close();
});

const connect = () => new End(net.connect(proxy.port, "127.0.0.1"));
const until = (what: string, condition: () => boolean) => eventually(condition, { timeoutMs: 5_000, what, everyMs: 5 });
const untilReceived = (end: End, text: string) => until(`"${text}" to arrive`, () => end.received === text);
const untilClosed = (end: End, by: End["closedBy"]) => until(`the end by ${by}`, () => end.closedBy === by);

/** A client whose connection works in both directions. */
async function connected(): Promise<End> {
  const client = connect();
  client.socket.write("a");
  await untilReceived(client, "a");
  return client;
}

test("data passes, and the end of either side passes", async () => {
  const first = await connected();
  first.socket.end();
  await untilClosed(accepted[0]!, "end");
  const second = await connected();
  accepted[1]!.socket.end();
  await untilClosed(second, "end");
  await until("no connection", () => proxy.openCount() === 0);
});

test("a delay keeps the order, also when it ends", async () => {
  const client = await connected();
  proxy.delay(200);
  const startedAt = performance.now();
  client.socket.write("b");
  await until("the delayed chunk to be in the proxy", () => seen === "ab");
  proxy.heal();
  client.socket.write("c");
  client.socket.end("d");
  await untilReceived(accepted[0]!, "abcd");
  expect(performance.now() - startedAt).toBeGreaterThan(190);
});

test("a reset ends both connections with RST, and new ones work", async () => {
  const client = await connected();
  proxy.reset();
  await untilClosed(client, "ECONNRESET");
  await untilClosed(accepted[0]!, "ECONNRESET");
  await connected();
});

test("refuse resets open connections and each new one, until heal", async () => {
  const client = await connected();
  proxy.refuse();
  await untilClosed(client, "ECONNRESET");
  await untilClosed(connect(), "ECONNRESET");
  expect(accepted).toHaveLength(1);
  proxy.heal();
  await connected();
});

test.each([
  ["request", "a", "a"],
  ["response", "ab", "a"],
] as const)(
  "a cut %s direction loses data there alone, and heal resets what lost data",
  async (direction, there, back) => {
    const client = await connected();
    proxy.silence(direction);
    client.socket.write("b");
    if (direction === "request") accepted[0]!.socket.write("x");
    await untilReceived(accepted[0]!, there);
    await untilReceived(client, direction === "request" ? `${back}x` : back);
    proxy.heal();
    await untilClosed(client, "ECONNRESET");
    await connected();
  },
);

test("a cut without data in it leaves the connection as it was", async () => {
  const client = await connected();
  proxy.silence("request", "response");
  proxy.heal();
  client.socket.write("b");
  await untilReceived(client, "ab");
});

test("a frozen connection hides the client's end from the server, while new connections work", async () => {
  const client = await connected();
  proxy.freeze();
  client.socket.end("b");
  const other = await connected();
  await untilClosed(client, "end");
  expect(accepted[0]).toMatchObject({ received: "a", closedBy: undefined });
  proxy.heal();
  await untilClosed(accepted[0]!, "ECONNRESET");
  other.socket.write("b");
  await untilReceived(other, "ab");
});

test("a connection to a server that does not listen is reset", async () => {
  await new Promise((resolve) => server.close(resolve));
  await untilClosed(connect(), "ECONNRESET");
});
