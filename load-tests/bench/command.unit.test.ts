import { expect, test } from "bun:test";
import { benchProgram, parseParts, parsePeers } from "./command.ts";
import { type BenchOptions, planOf } from "./run.ts";

/** The options of a command line. @throws {Error} with the message of the command. */
async function optionsOf(...args: string[]): Promise<BenchOptions> {
  let options: BenchOptions | undefined;
  const program = benchProgram(async (flags) => {
    options = flags;
  });
  program.exitOverride().configureOutput({ writeErr: () => {} });
  await program.parseAsync(args, { from: "user" });
  return options!;
}

test("parts are rates and names, and anything else is rejected", () => {
  expect(parseParts("idle,50,bulk,1000,clients")).toEqual(["idle", 50, "bulk", 1_000, "clients"]);
  for (const wrong of ["", "0", "fast", "200,,bulk", "20001"]) expect(() => parseParts(wrong)).toThrow();
  expect(parsePeers("dual-write,pglogical")).toEqual(["dual-write", "pglogical"]);
  expect(() => parsePeers("limit")).toThrow("pglogical or dual-write");
});

test("by default warm processes are measured in all parts, and new ones at the rates and in the bulk, each on its own", async () => {
  const options = await optionsOf();
  expect(planOf(options)).toEqual([
    { system: "lockstep", round: 1, state: "warm", parts: ["idle", 50, 200, 1_000, "bulk", "clients"] },
    ...([50, 200, 1_000, "bulk"] as const).map(
      (part) => ({ system: "lockstep", round: 1, state: "new", parts: [part] }) as const,
    ),
  ]);
  expect(planOf(await optionsOf("--data", ".lockstep")).map(({ state }) => state)).toEqual(["warm"]);
});

test("systems that are compared take turns, round after round", async () => {
  const options = await optionsOf("--against", "pglogical,dual-write", "--rounds", "2");
  const turns = planOf(options);
  expect(turns.map(({ system, round }) => `${round} ${system}`)).toEqual([
    "1 lockstep",
    "1 pglogical",
    "1 dual-write",
    "2 lockstep",
    "2 pglogical",
    "2 dual-write",
  ]);
  expect(turns.every(({ state, parts }) => state === "warm" && parts.join() === "200,1000,bulk,clients")).toBe(true);
  expect((await optionsOf("--against", "pglogical", "--only", "50")).only).toEqual([50]);
});

test("options that exclude each other are rejected", async () => {
  for (const args of [
    ["--products", "1000", "--data", "x"],
    ["--data", "x", "--processes", "new"],
    ["--against", "pglogical", "--data", "x"],
    ["--against", "pglogical", "--processes", "warm"],
    ["--rounds", "2"],
  ])
    await expect(optionsOf(...args)).rejects.toThrow("omit");
}, 10_000);

test("the help says how long a run takes, and names the parts and the peers", () => {
  let help = "";
  const program = benchProgram(async () => {}).configureOutput({
    writeOut: (text) => {
      help += text;
    },
  });
  program.outputHelp();
  for (const word of ["minutes", "idle", "clients", "pglogical", "dual-write", "--warm-up", "--rounds"])
    expect(help).toContain(word);
});
