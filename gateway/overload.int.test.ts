/** The gateway gets more writes than it can process: it rejects some at once, and processes the others in time. */
import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { connect, type Socket } from "node:net";
import { eventually } from "../tests/harness/eventually.ts";
import { type TestGateway, testGateway } from "../tests/harness/gateway.ts";
import { newProduct } from "../tests/harness/load.ts";

/** The smallest value of the setting. Larger bodies get three quarters of it. */
const TOTAL_BODY_BYTES = 10_485_760;
const LARGE_BODY = 262_144;
const FITTING_LARGE_BODIES = (TOTAL_BODY_BYTES * 0.75) / LARGE_BODY;

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await testGateway({ LOCKSTEP_MAX_TOTAL_BODY_BYTES: String(TOTAL_BODY_BYTES) });
});
afterAll(() => gateway?.[Symbol.asyncDispose]());
beforeEach(() => untilOverloaded(false));

async function overloaded(): Promise<string | null> {
  const { checks } = (await (await fetch(`${gateway.url}/health/ready`)).json()) as {
    checks: { condition: string; problem: string | null; blocksReadiness: boolean }[];
  };
  const check = checks.find(({ condition }) => condition === "overloaded")!;
  expect(check.blocksReadiness).toBe(false);
  return check.problem;
}

const untilOverloaded = (is: boolean) =>
  eventually(async () => ((await overloaded()) !== null) === is, {
    timeoutMs: 10_000,
    what: `the condition overloaded to ${is ? "appear" : "end"}`,
  });

/** Creates a product. @param bytes length of the body at least. */
const post = (bytes = 0, body = JSON.stringify(newProduct({ name: "Cup" }))) =>
  fetch(`${gateway.url}/products`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: body.padEnd(bytes),
  });

/** Creates a product over a connection of its own: `fetch` has at most 256. Returns the whole response. */
function postAlone(): Promise<string> {
  const { hostname, port } = new URL(gateway.url);
  const body = JSON.stringify(newProduct({ name: "Cup" }));
  const lines = ["POST /products HTTP/1.1", `host: ${hostname}`, "connection: close", "content-type: application/json"];
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let answer = "";
  const socket = connect(Number(port), hostname, () =>
    socket.write([...lines, `content-length: ${body.length}`, "", body].join("\r\n")),
  );
  socket.on("data", (data) => {
    answer += data;
  });
  socket.on("close", () => resolve(answer));
  socket.on("error", reject);
  return promise;
}

test("writes beyond what the source processes are rejected at once, and the condition is reported until they end", async () => {
  const { sql } = gateway;
  await sql.unsafe(`
    create function slow() returns trigger language plpgsql as $$ begin perform pg_sleep(0.01); return new; end $$;
    create trigger slow before insert on products for each row execute function slow()`);
  const [{ before }] = (await sql`select count(*)::int as before from products`) as unknown as [{ before: number }];
  const statuses = new Map<number, number>();
  const retryAfter = new Set<string>();
  const rejectedMs: number[] = [];
  let isRunning = true;
  const client = async () => {
    while (isRunning) {
      const start = performance.now();
      const answer = await postAlone();
      const status = Number(answer.split(" ")[1]);
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
      if (status !== 503) continue;
      rejectedMs.push(performance.now() - start);
      expect(answer).toContain("The gateway is overloaded");
      retryAfter.add(/retry-after: (\d+)/i.exec(answer)?.[1] ?? "none");
    }
  };
  const clients = Array.from({ length: 450 }, client);
  try {
    await untilOverloaded(true);
    await eventually(() => (statuses.get(503) ?? 0) > 200, { timeoutMs: 20_000, what: "more rejections" });
  } finally {
    isRunning = false;
    await Promise.all(clients);
    await sql.unsafe("drop trigger slow on products; drop function slow");
  }
  expect([...statuses.keys()].sort()).toEqual([201, 503]);
  expect([...retryAfter].sort()).toEqual(["1", "2", "3"]);
  expect(rejectedMs.sort((a, b) => a - b)[rejectedMs.length >> 1]!).toBeLessThan(500);
  const [{ after }] = (await sql`select count(*)::int as after from products`) as unknown as [{ after: number }];
  expect(after - before).toBe(statuses.get(201)!);
  await untilOverloaded(false);
  expect((await post()).status).toBe(201);
}, 60_000);

test("the bodies in progress have a total size: large ones beyond it are rejected, small ones pass", async () => {
  const { hostname, port } = new URL(gateway.url);
  const head = `POST /products HTTP/1.1\r\nhost: ${hostname}\r\ncontent-type: application/json\r\ncontent-length: ${LARGE_BODY}\r\n\r\n{`;
  const answers: string[] = [];
  const sockets: Socket[] = [];
  try {
    // Each client declares a large body and sends its first byte only.
    for (let i = 0; i < FITTING_LARGE_BODIES + 5; i++) {
      const socket = connect(Number(port), hostname, () => socket.write(head));
      socket.on("data", (data) => answers.push(data.toString()));
      socket.on("error", () => {});
      sockets.push(socket);
    }
    await eventually(() => answers.length === 5, { timeoutMs: 10_000, what: "five rejections" });
    for (const answer of answers) expect(answer).toMatch(/^HTTP\/1.1 503 .*retry-after: [123]/is);
    expect((await post(LARGE_BODY)).status).toBe(503);
    expect((await post()).status).toBe(201);
    await untilOverloaded(true);
  } finally {
    for (const socket of sockets) socket.destroy();
  }
  await eventually(async () => (await post(LARGE_BODY)).status === 201, {
    timeoutMs: 10_000,
    what: "the memory to be free again",
  });
}, 60_000);

test("a rejected body without Content-Length frees its memory", async () => {
  let chunks = 0;
  const endless = new ReadableStream({
    pull: (controller) => {
      controller.enqueue(new TextEncoder().encode(chunks++ === 0 ? "{" : " ".repeat(1_000)));
      if (chunks === 200) controller.close();
    },
  });
  const response = await fetch(`${gateway.url}/products`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: endless,
  });
  expect(response.status).toBe(400);
  expect((await post(LARGE_BODY)).status).toBe(201);
});
