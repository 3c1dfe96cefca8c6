import { expect, test } from "bun:test";
import { runSimulation } from "./child.ts";

test("the same seed gives the same trace, byte for byte", async () => {
  const args = ["--seed", "12", "--trace"];
  const [first, second] = await Promise.all([runSimulation(args), runSimulation(args)]);
  expect(first.exitCode).toBe(0);
  expect(first.output).toContain("all faults end");
  expect(second.output).toBe(first.output);
});

test("a seed gives the same run whatever ran before it", async () => {
  const [, after] = await Promise.all([
    runSimulation(["--seed", "12", "--trace"]),
    runSimulation(["--from", "11", "--seeds", "2", "--trace"]),
  ]);
  const alone = await runSimulation(["--seed", "12", "--trace"]);
  expect(after.output).toContain(alone.output);
});

test("another seed gives another run", async () => {
  const [first, second] = await Promise.all([12, 13].map((seed) => runSimulation(["--seed", `${seed}`, "--trace"])));
  expect(first!.output).not.toBe(second!.output);
});

test("a seed that is no number is refused", async () => {
  const { exitCode, output } = await runSimulation(["--seed", "one"]);
  expect(exitCode).toBe(1);
  expect(output).toBe("");
});
