import { expect, test } from "bun:test";
import { product } from "../tests/project/index.ts";
import { readyReport } from "./report.ts";
import { smokeTest, smokeTestEntity } from "./smoke-test.ts";

const signal = new AbortController().signal;
const options = { token: undefined, timeoutMs: 5_000, signal };
const report = (tested: Awaited<ReturnType<typeof smokeTest>>) =>
  readyReport({
    members: [],
    data: "/tmp/x",
    seconds: 1,
    entity: undefined,
    tested,
    detached: true,
    issuer: undefined,
  });

test("without a suitable entity no write is sent, and the report of up says so", async () => {
  expect(smokeTestEntity([])).toBeUndefined();
  const targets = { gateway: "http://127.0.0.1:1", replicas: [] };
  const tested = await smokeTest(targets, options, undefined);
  expect(tested).toBeUndefined();
  expect(report(tested)).toContain("no test write was sent");
  expect(report(tested)).not.toContain("reached");
});

test("a replica without the entity is not tested, and the report does not say that the write reached it", async () => {
  const stored = new Map<string, string>();
  using server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch(request) {
      const { pathname } = new URL(request.url);
      if (request.method === "POST") {
        stored.set(`${pathname}/1`, "row");
        return Response.json({ id: "1" }, { status: 201 });
      }
      if (request.method === "DELETE") stored.delete(pathname);
      if (!stored.has(pathname)) return new Response(null, { status: 404 });
      return new Response("{}", { headers: { "cache-status": "redis; hit" } });
    },
  });
  const url = `http://127.0.0.1:${server.port}`;
  const replicas = [
    { name: product.replicas[0]!.name, label: "first", url },
    { name: "elsewhere", label: "elsewhere", url: "http://127.0.0.1:1" },
  ];
  const tested = await smokeTest({ gateway: url, replicas }, options, product);
  expect(tested).toEqual({ reached: ["first"], untested: ["elsewhere"] });
  expect(report(tested)).toContain("reached first");
  expect(report({ reached: ["first"], untested: [] })).toContain("reached every replica and its cache");
});
