/** P14: what a replica reports, and when it is ready. */
import { expect, test } from "bun:test";
import { cacheNotes } from "../contracts/cache-health.ts";
import { healthChecks } from "./health.ts";

interface World {
  fetchAgeMs?: number | undefined;
  rebuildProblem?: string;
  readOnlyProblem?: string;
  lagProblem?: string;
  /** Run ids of both connections to Redis; undefined: not configured. */
  redis?: { readonly reads?: string; readonly writes?: string };
  isOn?: boolean;
}

function healthOf(world: World) {
  const none = () => undefined;
  const link = (runId: string | undefined) => ({ client: undefined as never, runId: () => runId, close() {} });
  const { checks, onHeartbeat } = healthChecks({
    consumer: {
      fetchAgeMs: () => world.fetchAgeMs,
      rebuildProblem: () => world.rebuildProblem,
      lagProblem: () => world.lagProblem,
      tableProblem: none,
      logProblem: none,
      stalledProblem: none,
      deadLettersProblem: none,
      deadLettersNote: none,
    },
    replica: {
      epoch: { recent: () => ({ epoch: 1, runId: world.isOn ? "server" : null, due: true }) } as never,
      redis: world.redis && { reads: link(world.redis.reads), writes: link(world.redis.writes), close() {} },
      readOnlyProblem: () => world.readOnlyProblem,
      tableProblem: none,
    },
  });
  return {
    onHeartbeat,
    problems: () => checks.flatMap(({ condition, problem }) => (problem() ? [`${condition}: ${problem()}`] : [])),
    blocking: () => checks.flatMap((check) => (check.blocksReadiness && check.problem() ? [check.condition] : [])),
    cacheNote: () => checks.find(({ condition }) => condition === "cache-off")!.note!(),
  };
}

test("a replica is not ready before its database and a broker have responded; afterwards it always is", () => {
  const world: World = {};
  const { onHeartbeat, problems, blocking } = healthOf(world);
  expect(problems()).toEqual([
    "database-unavailable: the database has not responded yet",
    "log-unavailable: the brokers have not responded yet",
  ]);
  onHeartbeat(new Error("connection refused"));
  expect(problems()[0]).toBe("database-unavailable: the database has not responded yet (connection refused)");
  onHeartbeat(undefined);
  world.fetchAgeMs = 10_000;
  expect(problems()).toEqual([]);
  Object.assign(world, { fetchAgeMs: 12_000, readOnlyProblem: "a standby", lagProblem: "30 s behind" });
  expect(problems()).toEqual([
    "log-unavailable: the brokers have not responded for 12 s",
    "database-read-only: a standby",
    "lag-growing: 30 s behind",
  ]);
  expect(blocking()).toEqual([]);
});

test("a replica that is being rebuilt is ready: it serves what it has, before it reads batches", () => {
  const { onHeartbeat, problems, blocking } = healthOf({ rebuildProblem: "the database is 8 days behind" });
  onHeartbeat(undefined);
  expect(problems()).toEqual(["rebuilding: the database is 8 days behind"]);
  expect(blocking()).toEqual([]);
});

test("the cache is reported as on, off, unavailable or not configured; only off and unavailable are problems", () => {
  const both = { reads: "server", writes: "server" };
  for (const [world, expected] of [
    [{}, "not-configured"],
    [{ redis: both, isOn: true }, "on"],
    [{ redis: both }, "off"],
    [{ redis: { reads: "server" }, isOn: true }, "unavailable"],
    [{ redis: { writes: "server" }, isOn: true }, "unavailable"],
  ] as const) {
    const { onHeartbeat, problems, cacheNote } = healthOf({ fetchAgeMs: 0, ...world });
    onHeartbeat(undefined);
    expect(cacheNote()).toBe(cacheNotes[expected]);
    expect(problems()).toEqual(["off", "unavailable"].includes(expected) ? [`cache-off: ${cacheNotes[expected]}`] : []);
  }
});
