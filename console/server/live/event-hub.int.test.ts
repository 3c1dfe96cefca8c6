/** The stream of events over real HTTP: it goes on where a client was cut off, and no client can fill it. */
import { afterEach, expect, test } from "bun:test";
import { createLogger } from "../../../observability/logger.ts";
import { createMetrics } from "../../../observability/metrics.ts";
import { type HttpServer, serveHttp } from "../../../platform/http/server.ts";
import { serviceApp } from "../../../platform/http/service-app.ts";
import { readSettings } from "../../../platform/settings/settings.ts";
import { eventually } from "../../../tests/harness/eventually.ts";
import { addStream } from "../http/events.ts";
import { Hub } from "./event-hub.ts";

let http: HttpServer | undefined;
let hub: Hub | undefined;
let told: string[] = [];

afterEach(async () => {
  hub?.close();
  await http?.stop();
});

function serve(bounds = { mostClients: 3, mostUnread: 65_536, heartbeatMs: 50 }): string {
  told = [];
  hub = new Hub(
    () => ({ welcome: true }),
    { arrived: () => told.push("arrived"), left: () => told.push("left") },
    bounds,
  );
  const app = serviceApp({
    checks: [],
    metrics: createMetrics("test", "1"),
    logger: createLogger("test", "1", "silent"),
  });
  addStream(app, hub);
  http = serveHttp(app, readSettings({ PORT: "0" }));
  return `${http.url}/api/events`;
}

interface Message {
  readonly id: string | undefined;
  readonly event: string;
  readonly data: unknown;
}

/** Reads a stream as a browser does. */
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
        for (const block of blocks) this.take(block);
      }
    } catch {
      // Aborted.
    }
    this.ended = true;
  }

  private take(block: string): void {
    if (block.startsWith(":")) this.heartbeats++;
    const field = (name: string) => new RegExp(`^${name}: (.*)$`, "m").exec(block)?.[1];
    const data = field("data");
    if (data !== undefined)
      this.messages.push({ id: field("id"), event: field("event") ?? "", data: JSON.parse(data) });
  }
}

const soon = (what: string, check: () => unknown) => eventually(check, { timeoutMs: 5_000, what, everyMs: 5 });

test("a client is greeted, told everything from then on, and kept alive by heartbeats", async () => {
  const url = serve();
  await using client = new Client();
  const response = await client.open(url);
  expect(response.headers.get("content-type")).toStartWith("text/event-stream");
  await soon("the greeting", () => client.messages.length === 1);
  hub!.publish("hops", { n: 1 });
  hub!.show("snapshot", { n: 2 });
  await soon("both", () => client.messages.length === 3);
  expect(client.messages.map(({ event, data }) => [event, data])).toEqual([
    ["hello", { welcome: true }],
    ["hops", { n: 1 }],
    ["snapshot", { n: 2 }],
  ]);
  // A snapshot is nothing to go on from.
  expect(client.messages[2]!.id).toBeUndefined();
  await soon("heartbeats", () => client.heartbeats > 1);
});

test("a client that was cut off gets what it missed and no more; one whose place is gone begins anew", async () => {
  const url = serve();
  await using first = new Client();
  await first.open(url);
  await soon("the greeting", () => first.messages.length === 1);
  hub!.publish("happening", 1);
  await soon("the first", () => first.messages.length === 2);
  const { lastId } = first;
  await first[Symbol.asyncDispose]();
  for (const n of [2, 3]) hub!.publish("happening", n);

  await using again = new Client();
  await again.open(url, lastId);
  await soon("what was missed", () => again.messages.length === 2);
  expect(again.messages.map(({ data }) => data)).toEqual([2, 3]);

  for (let n = 4; n <= 600; n++) hub!.publish("happening", n);
  await using late = new Client();
  await late.open(url, lastId);
  await using stranger = new Client();
  await stranger.open(url, "another-3");
  await soon("greetings", () => late.messages.length > 0 && stranger.messages.length > 0);
  expect([late.events()[0], stranger.events()[0]]).toEqual(["hello", "hello"]);
});

test("there are no more clients than may be; each that goes makes room", async () => {
  const url = serve();
  await using one = new Client();
  await using two = new Client();
  await using three = new Client();
  await using four = new Client();
  for (const client of [one, two, three]) expect((await client.open(url)).status).toBe(200);
  const refused = await four.open(url);
  expect(refused.status).toBe(503);
  expect(refused.headers.get("retry-after")).toBe("5");
  await one[Symbol.asyncDispose]();
  await soon("room", async () => (await four.open(url)).status === 200);
});

test("one that reads nothing is dropped, and the others hear everything", async () => {
  const url = new URL(serve());
  await using good = new Client();
  await good.open(url.href);
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
  await soon("both", () => hub!.clientCount === 2);
  const text = "x".repeat(20_000);
  let sent = 0;
  await soon("the slow one to be dropped", () => {
    if (hub!.clientCount === 2) hub!.publish("happening", { n: ++sent, text });
    return hub!.clientCount === 1;
  });
  await soon("all of it", () => good.messages.length === sent + 1);
  expect(good.ended).toBe(false);
  slow.end();
}, 20_000);

test("who shows things is told when the first comes and when the last goes", async () => {
  const url = serve();
  await using one = new Client();
  await using two = new Client();
  await one.open(url);
  await two.open(url);
  await soon("both", () => hub!.clientCount === 2);
  expect(told).toEqual(["arrived"]);
  await one[Symbol.asyncDispose]();
  await two[Symbol.asyncDispose]();
  await soon("the last to go", () => told.length === 2);
  expect(told).toEqual(["arrived", "left"]);
});
