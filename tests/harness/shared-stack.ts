/** Starts one stack for all end-to-end tests of a process. Each test uses its own products. */
import { rmSync } from "node:fs";
import { Stack } from "./stack.ts";

const key = Symbol.for("lockstep.test.stack");
const globals = globalThis as { [key]?: Promise<Stack> };

/** Returns the stack, and starts it on the first call. It stops when the process exits. */
export function sharedStack(): Promise<Stack> {
  globals[key] ??= Stack.start().then((stack) => {
    process.on("exit", () => {
      stack.killServices();
      Bun.spawnSync([process.execPath, "run", "down", "--data", stack.data], { cwd: stack.root });
      rmSync(stack.data, { recursive: true, force: true });
    });
    return stack;
  });
  return globals[key];
}
