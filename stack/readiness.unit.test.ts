/** Which services end the wait of `up`. */
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { GroupMember } from "./process-group.ts";
import { waitUntilReady } from "./readiness.ts";

const folder = mkdtempSync(join(tmpdir(), "lockstep-readiness-"));
const logFile = join(folder, "stream.log");
writeFileSync(logFile, "first\nno space left on device\n");
const health = Bun.serve({ port: 0, fetch: () => Response.json({ status: "not ready", checks: [] }, { status: 503 }) });
afterAll(async () => {
  await health.stop(true);
  rmSync(folder, { recursive: true });
});

/** A service that is not ready and has crashed as often as `crashes`. */
const service = (crashes: number): GroupMember =>
  ({
    planned: { name: "stream", kind: "stream", instance: 1, command: "stream" },
    spec: { label: "stream", logFile },
    supervised: { url: health.url.origin, crashedAt: Array.from({ length: crashes }, () => Date.now()) },
  }) as unknown as GroupMember;

const wait = (crashes: number, timeoutMs: number) =>
  waitUntilReady([service(crashes)], { timeoutMs, signal: new AbortController().signal, print: () => {} });

test("a service that has crashed six times within a minute ends the wait, with the last lines of its log", async () => {
  await expect(wait(6, 5_000)).rejects.toThrow("stream keeps crashing; the last lines of");
  await expect(wait(6, 5_000)).rejects.toThrow("no space left on device");
});

test("a service that has crashed five times may still become ready, and is named when the time is up", async () => {
  await expect(wait(5, 100)).rejects.toThrow(/all services to be ready.*stream is not ready/s);
});
