/** The event stream over real HTTP: reconnecting clients get what they missed, and slow clients are dropped. */
import { afterEach, expect, test } from "bun:test";
import { createLogger } from "../../../observability/logger.ts";
import { createMetrics } from "../../../observability/metrics.ts";
import { type HttpServer, serveHttp } from "../../../platform/http/server.ts";
import { serviceApp } from "../../../platform/http/service-app.ts";
import { readSettings } from "../../../platform/settings/settings.ts";
import { eventually } from "../../../tests/harness/eventually.ts";
import { addEvents } from "../http/events.ts";
import { EventHub } from "./event-hub.ts";

let http: HttpServer | undefined;
let hub: EventHub | undefined;
let calls: string[] = [];

afterEach(async () => {
  hub?.close();
  await http?.stop();
});

function serve(limits = { maxClients: 3, maxUnreadBytes: 65_536, heartbeatMs: 50 }): string {
  calls = [];
  hub = new EventHub(
    () => ({ welcome: true }),
    { onFirstConnected: () => calls.push("first"), onLastDisconnected: () => calls.push("last") },
    limits,
  );
  const app = serviceApp({
    checks: [],
    metrics: createMetrics("test", "1"),
    logger: createLogger("test", "1", "silent"),
  });
  addEvents(app, hub);
  http = serveHttp(app, readSettings({ PORT: "0" }));
  return `${http.url}/api/events`;
}

interface Message {
  readonly id: string | undefined;
  readonly event: string;
  readonly data: unknown;
}

/** Reads the stream as a browser does. */
class Client implements AsyncDisposable {
  readonly messages: Message[] = [];
  heartbeats = 0;
  ended = false;
  private readonly ending = new AbortController();

  async open(url: string, lastEventId?: string): Promise<Response> {
    const headers = lastEventId ? { "last-event-id": lastEventId } : undefined;
    const response = await fetch(url, { signal: this.ending.signal, ...(headers ? { headers } : {}) });
    if (response.ok) void this.read(response);
    return response;
  }

  get lastId(): string | undefined {
    return this.messages.findLast(({ id }) => id !== undefined)?.id;
  }

  events(): string[] {
    return this.messages.map(({ event }) => event);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.ending.abort();
  }

  private async read(response: Response): Promise<void> {
    let text = "";
    try {
      for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
        text += chunk;
        const blocks = text.split("\n\n");
        text = blocks.pop()!;
        for (const block of blocks) this.receive(block);
      }
    } catch {
      // The test has aborted the request.
    }
    this.ended = true;
  }

  private receive(block: string): void {
    if (block.startsWith(":")) this.heartbeats++;
    const field = (name: string) => new RegExp(`^${name}: (.*)$`, "m").exec(block)?.[1];
    const data = field("data");
    if (data !== undefined)
      this.messages.push({ id: field("id"), event: field("event") ?? "", data: JSON.parse(data) });
  }
}

const wait = (what: string, check: () => unknown) => eventually(check, { timeoutMs: 5_000, what, everyMs: 5 });

test("a client gets hello, then all events, and heartbeats while there are none", async () => {
  const url = serve();
  await using client = new Client();
  const response = await client.open(url);
  expect(response.headers.get("content-type")).toStartWith("text/event-stream");
  await wait("hello", () => client.messages.length === 1);
  hub!.publish("hops", { n: 1 });
  hub!.broadcast("snapshot", { n: 2 });
  await wait("both events", () => client.messages.length === 3);
  expect(client.messages.map(({ event, data }) => [event, data])).toEqual([
    ["hello", { welcome: true }],
    ["hops", { n: 1 }],
    ["snapshot", { n: 2 }],
  ]);
  // A client cannot resume from a broadcast: it has no id.
  expect(client.messages[2]!.id).toBeUndefined();
  await wait("heartbeats", () => client.heartbeats > 1);
});

test("a reconnecting client gets exactly what it missed, or hello when that is no longer kept", async () => {
  const url = serve();
  await using first = new Client();
  await first.open(url);
  await wait("hello", () => first.messages.length === 1);
  hub!.publish("activity", 1);
  await wait("the first event", () => first.messages.length === 2);
  const { lastId } = first;
  await first[Symbol.asyncDispose]();
  for (const n of [2, 3]) hub!.publish("activity", n);

  await using reconnected = new Client();
  await reconnected.open(url, lastId);
  await wait("the missed events", () => reconnected.messages.length === 2);
  expect(reconnected.messages.map(({ data }) => data)).toEqual([2, 3]);

  for (let n = 4; n <= 600; n++) hub!.publish("activity", n);
  await using tooLate = new Client();
  await tooLate.open(url, lastId);
  await using unknown = new Client();
  // A number that this process has used, too.
  await unknown.open(url, "another-599");
  await wait("hello for both", () => tooLate.messages.length > 0 && unknown.messages.length > 0);
  expect([tooLate.events()[0], unknown.events()[0]]).toEqual(["hello", "hello"]);
});

test("clients beyond the limit are rejected until another client disconnects", async () => {
  const url = serve();
  await using one = new Client();
  await using two = new Client();
  await using three = new Client();
  await using four = new Client();
  for (const client of [one, two, three]) expect((await client.open(url)).status).toBe(200);
  const rejected = await four.open(url);
  expect(rejected.status).toBe(503);
  expect(rejected.headers.get("retry-after")).toBe("5");
  await one[Symbol.asyncDispose]();
  await wait("a free place", async () => (await four.open(url)).status === 200);
});

test("a client that reads nothing is dropped, and the others get all events", async () => {
  const url = new URL(serve());
  await using fast = new Client();
  await fast.open(url.href);
  const request = `GET ${url.pathname} HTTP/1.1\r\nHost: ${url.host}\r\n\r\n`;
  const slow = await Bun.connect({
    hostname: url.hostname,
    port: Number(url.port),
    socket: {
      open(socket) {
        socket.write(request);
        socket.pause();
      },
      data() {},
    },
  });
  await wait("both clients", () => hub!.clientCount === 2);
  const text = "x".repeat(20_000);
  let sent = 0;
  await wait("the slow client to be dropped", () => {
    if (hub!.clientCount === 2) hub!.publish("activity", { n: ++sent, text });
    return hub!.clientCount === 1;
  });
  await wait("all events", () => fast.messages.length === sent + 1);
  expect(fast.ended).toBe(false);
  slow.end();
}, 20_000);

test("the callbacks run when the first client connects and when the last disconnects", async () => {
  const url = serve();
  await using one = new Client();
  await using two = new Client();
  await one.open(url);
  await two.open(url);
  await wait("both clients", () => hub!.clientCount === 2);
  expect(calls).toEqual(["first"]);
  await one[Symbol.asyncDispose]();
  await two[Symbol.asyncDispose]();
  await wait("the last to disconnect", () => calls.length === 2);
  expect(calls).toEqual(["first", "last"]);
});
