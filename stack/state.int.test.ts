import { expect, test } from "bun:test";
import { statSync } from "node:fs";
import { join } from "node:path";
import { temporaryFolder } from "../tests/harness/servers.ts";
import { identityOf } from "./processes.ts";
import { lockDataFolder, readState, removeState, runningSupervisor, unlockDataFolder, writeState } from "./state.ts";

const self = { pid: process.pid, identity: identityOf(process.pid) };

test("one supervisor at a time holds the data folder, and a dead one does not block the next", () => {
  const data = temporaryFolder("state");
  expect(lockDataFolder(data, { pid: process.pid, identity: "the start time of a dead process" })).toBeUndefined();
  expect(runningSupervisor(data)).toBeUndefined();
  expect(lockDataFolder(data, self)).toBeUndefined();
  expect(lockDataFolder(data, self)).toEqual(self);
  unlockDataFolder(data);
  expect(runningSupervisor(data)).toBeUndefined();
});

test("only its owner may read the state file, which holds passwords", () => {
  const data = temporaryFolder("state");
  expect(readState(data)).toBeUndefined();
  writeState(data, { supervisor: self, ready: false, entries: [] });
  expect(statSync(join(data, "stack.json")).mode & 0o777).toBe(0o600);
  expect(readState(data)?.supervisor).toEqual(self);
  removeState(data);
  expect(readState(data)).toBeUndefined();
});
