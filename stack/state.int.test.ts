import { expect, test } from "bun:test";
import { statSync } from "node:fs";
import { join } from "node:path";
import { temporaryFolder } from "../tests/harness/parts.ts";
import { identityOf } from "./processes.ts";
import { becomeSupervisor, readState, removeState, retire, runningSupervisor, writeState } from "./state.ts";

const self = { pid: process.pid, identity: identityOf(process.pid) };

test("only one supervisor works on a data folder, and one that was killed leaves it free", () => {
  const data = temporaryFolder("state");
  expect(becomeSupervisor(data, { pid: process.pid, identity: "of a process long gone" })).toBeUndefined();
  expect(runningSupervisor(data)).toBeUndefined();
  expect(becomeSupervisor(data, self)).toBeUndefined();
  expect(becomeSupervisor(data, self)).toEqual(self);
  retire(data);
  expect(runningSupervisor(data)).toBeUndefined();
});

test("the state file is for its owner only: it holds passwords", () => {
  const data = temporaryFolder("state");
  expect(readState(data)).toBeUndefined();
  writeState(data, { supervisor: self, ready: false, entries: [] });
  expect(statSync(join(data, "stack.json")).mode & 0o777).toBe(0o600);
  expect(readState(data)?.supervisor).toEqual(self);
  removeState(data);
  expect(readState(data)).toBeUndefined();
});
