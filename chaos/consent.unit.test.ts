import { expect, test } from "bun:test";
import { announcement, permittedFaults } from "./consent.ts";
import type { Fault } from "./fault.ts";
import type { System } from "./system.ts";

const fault = (name: string, options: { destroys?: boolean; isPossible?: boolean } = {}): Fault => ({
  name,
  summary: "",
  lastsMs: [0, 0],
  destroys: options.destroys ?? false,
  subjects: () => ((options.isPossible ?? true) ? ["stream"] : []),
  inject: async () => async () => {},
});
const faults = [fault("kill"), fault("topic-deleted", { destroys: true })];
const systemOf = (kind: System["kind"]) => ({ kind }) as System;
const names = (permitted: readonly Fault[]) => permitted.map(({ name }) => name);

test("a stack of chaos and containers get every fault", () => {
  for (const kind of ["embedded", "compose"] as const)
    expect(permittedFaults(systemOf(kind), faults, { areNamed: false, allowDataLoss: false })).toEqual(faults);
});

test("with --own, a fault that loses data must be named and allowed", () => {
  const own = systemOf("own");
  for (const allowDataLoss of [false, true])
    expect(names(permittedFaults(own, faults, { areNamed: false, allowDataLoss }))).toEqual(["kill"]);
  expect(() => permittedFaults(own, faults, { areNamed: true, allowDataLoss: false })).toThrow(
    "topic-deleted: loses data; allow it with --allow-data-loss, or leave it out",
  );
  expect(permittedFaults(own, faults, { areNamed: true, allowDataLoss: true })).toEqual(faults);
});

test("a fault that has nothing to act on is left out, and without any fault chaos does not run", () => {
  const impossible = fault("disk-full", { isPossible: false });
  const flags = { areNamed: true, allowDataLoss: false };
  expect(names(permittedFaults(systemOf("own"), [fault("kill"), impossible], flags))).toEqual(["kill"]);
  expect(() => permittedFaults(systemOf("own"), [impossible], flags)).toThrow(
    "no fault of --faults is possible in this system: see --list",
  );
});

test("the announcement names servers and faults, and no password", () => {
  const addresses = {
    gateway: "http://gateway:8080",
    replicas: new Map(),
    sourceDatabase: "postgres://me:secret@db:5432/source",
    replicaDatabases: new Map([["catalog", "postgres://me:secret@catalog-db:5432/catalog"]]),
    brokers: ["kafka:9092"],
    redis: "redis://:secret@cache:6379",
  };
  const text = announcement({ addresses } as unknown as System, { faults, runs: 2, seconds: 30, rate: 50 });
  expect(text).toContain("about 3000 writes to http://gateway:8080");
  expect(text).toContain("kill, topic-deleted");
  expect(text).toContain("catalog at catalog-db:5432");
  expect(text).toContain("Redis at cache:6379");
  expect(text).not.toContain("secret");
});
