/** What `bun run stop` does with processes that it cannot stop, or need not stop. */
import { expect, test } from "bun:test";
import { temporaryFolder } from "../tests/harness/servers.ts";
import { isHeld, releaseAll, startProcesses, stopProcesses } from "./hold.ts";
import { identityOf } from "./processes.ts";
import { lockDataFolder, type StateEntry, writeState } from "./state.ts";

const supervisor = { pid: process.pid, identity: identityOf(process.pid) };
const entry = (name: string, instance: number, more: Partial<StateEntry> = {}): StateEntry => ({
  ...{ name, kind: "service", instance, pid: null, url: "http://127.0.0.1:9", restarts: 0, crashedAt: [] },
  ...more,
});

test("stop holds the named instance only, also when it has no process at the moment", async () => {
  const data = temporaryFolder("hold");
  const printed: string[] = [];
  const stop = () => stopProcesses(data, ["stream 2"], (line) => printed.push(line));
  await expect(stop()).rejects.toThrow(`nothing runs on ${data}; start it with: bun run up`);
  lockDataFolder(data, supervisor);
  writeState(data, { supervisor, ready: true, entries: [entry("stream", 1), entry("stream", 2)] });
  await stop();
  expect(printed).toEqual(['stream 2 was stopped already; start it with: bun run start "stream 2"']);
  expect(["stream", "stream 2"].map((label) => isHeld(data, label))).toEqual([false, true]);
  releaseAll(data);
  expect(isHeld(data, "stream 2")).toBe(false);
});

test("stop and start refuse an external server, and hold nothing", async () => {
  const data = temporaryFolder("hold");
  lockDataFolder(data, supervisor);
  writeState(data, { supervisor, ready: true, entries: [entry("redis", 1, { isExternal: true })] });
  for (const run of [stopProcesses, startProcesses])
    await expect(run(data, ["redis"], () => {})).rejects.toThrow(
      "redis is an external server; stop or start it where it runs",
    );
  expect(isHeld(data, "redis")).toBe(false);
});
