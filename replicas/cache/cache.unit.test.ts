/** P7: what the cache answers when its lease or its server changes while a command is in flight. */
import { expect, test } from "bun:test";
import type { Redis } from "ioredis";
import { encodeEntry } from "../../contracts/cache-entry.ts";
import { silentLogger } from "../../tests/harness/replica.ts";
import { Cache } from "./cache.ts";

const epoch = { epoch: 7, runId: "server 1", due: false };
const hit = encodeEntry({ version: 3, body: '{"version":3}' }, epoch.epoch, 1);

interface Server {
  runId: string | undefined;
  /** False: the lease on the epoch has expired. */
  leased: boolean;
  get?: (key: string) => Promise<string | null>;
  evalsha?: (sha: string, keys: number, ...args: string[]) => Promise<string>;
  eval?: (text: string, keys: number, ...args: string[]) => Promise<string>;
}

/** A cache of a server whose answers the test gives. */
function cacheOf(server: Server) {
  const link = { client: server as unknown as Redis, runId: () => server.runId, close() {} };
  const lost: number[] = [];
  const cache = new Cache(
    {
      redis: { reads: link, writes: link },
      epoch: { leaseForRead: () => (server.leased ? epoch : undefined), holds: () => server.leased },
      logger: silentLogger,
    },
    { replica: "catalog", entity: { namespace: "", plural: "things", schemaVersion: 1 }, ttlSeconds: 60 },
    (at) => void lost.push(at.epoch),
  );
  return { cache, lost };
}

test("a document that arrives after the end of the lease is not used", async () => {
  const answer = Promise.withResolvers<string>();
  const server: Server = { runId: "server 1", leased: true, get: () => answer.promise };
  const lookup = cacheOf(server).cache.lookup("a");
  server.leased = false;
  answer.resolve(hit);
  expect(await lookup).toEqual({ result: "bypass", why: "no-lease" });
});

test("a document is used while the lease lasts, on the epoch's server only", async () => {
  const server: Server = { runId: "server 1", leased: true, get: async () => hit };
  const { cache } = cacheOf(server);
  expect(await cache.lookup("a")).toEqual({ result: "hit", entry: { version: 3, body: '{"version":3}' } });
  server.runId = "server 2";
  expect(await cache.lookup("a")).toEqual({ result: "bypass", why: "away" });
  server.leased = false;
  expect(await cache.lookup("a")).toEqual({ result: "bypass", why: "no-lease" });
});

test("a fence that was sent to two servers has an unknown result", async () => {
  const server: Server = {
    runId: "server 1",
    leased: true,
    // The server restarts after its answer, and the connection leads to the new one.
    evalsha: async () => {
      server.runId = "server 2";
      throw new Error("NOSCRIPT No matching script");
    },
    eval: async () => "ok",
  };
  expect(await cacheOf(server).cache.fence(epoch, "p.1", [{ id: "a", version: 4 }])).toBe("unknown");
});

test("a batch of 250 is fenced in three scripts: ok when all are, moved when one is not, unknown when one fails", async () => {
  const change = (_: unknown, i: number) => ({ id: `${i}`, version: 4 });
  const fence = async (...answers: (string | Error)[]) => {
    const ids: number[] = [];
    const evalsha: Server["evalsha"] = async (_, keys) => {
      ids.push(keys - 1);
      const answer = answers[ids.length - 1]!;
      if (answer instanceof Error) throw answer;
      return answer;
    };
    const server: Server = { runId: "server 1", leased: true, evalsha };
    return [await cacheOf(server).cache.fence(epoch, "p.1", Array.from({ length: 250 }, change)), ...ids];
  };
  expect(await fence("ok", "ok", "ok")).toEqual(["ok", 100, 100, 50]);
  expect(await fence("ok", "ok", "behind")).toEqual(["moved", 100, 100, 50]);
  expect(await fence("ok", new Error("out of memory"), "ok")).toEqual(["unknown", 100, 100, 50]);
});

test("a reader that finds its epoch lost reports it, and gets no lease", async () => {
  for (const answer of ["lost", "behind", "fenced", "leased"]) {
    const server: Server = { runId: "server 1", leased: true, evalsha: async () => answer };
    const { cache, lost } = cacheOf(server);
    const lease = await cache.lease("a", epoch);
    expect([lease !== undefined, lost], answer).toEqual([
      answer === "leased",
      ["lost", "behind"].includes(answer) ? [7] : [],
    ]);
  }
});
