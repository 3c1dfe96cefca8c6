/** The order in which the processes of a stack stop. */
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { PlannedServer, PlannedService } from "./plan.ts";
import { createProcessGroup, type Startable } from "./process-group.ts";
import type { Server } from "./servers/server.ts";

const data = mkdtempSync(join(tmpdir(), "lockstep-group-"));
afterAll(() => rmSync(data, { recursive: true }));

test("servers are stopped when all services have ended", async () => {
  const events: string[] = [];
  const ends = new Map<string, () => void>();
  const startable = (name: string, isService: boolean): Startable => {
    const ended = Promise.withResolvers<number>();
    ends.set(name, () => {
      events.push(`${name} ended`);
      ended.resolve(0);
    });
    const server: Server = {
      ...{ name, kind: "test", pid: process.pid, url: "", port: 0, exited: ended.promise },
      stop: async () => {
        events.push(`${name} stops`);
        await ended.promise;
      },
    };
    const planned = { name, kind: "test", instance: 1, ...(isService ? { command: name } : {}) };
    return {
      planned: planned as unknown as PlannedService | PlannedServer,
      spec: { label: name, logFile: "", start: async () => server },
    };
  };
  const group = createProcessGroup(data, [], () => {});
  const wave = [startable("database", false), startable("gateway", true), startable("relay", true)];
  await group.start(wave, new AbortController().signal);
  const stopped = group.stop();
  ends.get("relay")!();
  await Bun.sleep(0);
  ends.get("gateway")!();
  await Bun.sleep(0);
  ends.get("database")!();
  await stopped;
  const before = events.slice(0, events.indexOf("database stops"));
  expect(before).toContain("relay ended");
  expect(before).toContain("gateway ended");
});
