/** The order of a replay's steps, with a log and a source that record them. */
import { expect, test } from "bun:test";
import { type Log, type LogWriter, WriterDeadError } from "../../kafka/log.ts";
import type { Sql } from "../../platform/postgres/connect.ts";
import { deadLetterRecord } from "../../tests/harness/dead-letters.ts";
import { product } from "../../tests/project/index.ts";
import { type DeadLetterEntry, DeadLetterIndex } from "./dead-letter-index.ts";
import { markSuperseded } from "./mark-superseded.ts";
import { replayDeadLetters } from "./replay.ts";

const id = "01890000-0000-7000-8000-000000000001";

function entriesOf(...records: ReturnType<typeof deadLetterRecord>[]): DeadLetterEntry[] {
  const index = new DeadLetterIndex();
  for (const record of records) index.add(product, record);
  return [...index.resolve().values()];
}

/** Runs a replay. @returns its steps, and its result or error. */
async function replay(
  entries: readonly DeadLetterEntry[],
  { resend = async () => {}, write = async () => {} }: { resend?: () => Promise<void>; write?: () => Promise<void> },
) {
  const steps: string[] = [];
  const source = async (strings: TemplateStringsArray, ...values: string[]) => {
    steps.push(`${strings.join("?").trim()} ${values.slice(1).join(" ")}`);
    await resend();
    return [];
  };
  const writer = {
    write: async ({ topic }: { topic: string }, records: readonly unknown[]) => {
      steps.push(`${records.length} to ${topic}`);
      await write();
      return 0;
    },
    close: async () => void steps.push("close"),
  } as unknown as LogWriter;
  const log = { partitionCount: async () => 1, openWriter: async () => writer } as unknown as Log;
  const deps = { log: async () => log, source: () => source as unknown as Sql, signal: new AbortController().signal };
  const outcome = await replayDeadLetters(deps, entries, 1_000, () => {}).catch((error: Error) => error);
  return { steps, outcome };
}

test("each entity is sent once, not below the highest version of its dead letters, and its dead letters are marked then", async () => {
  const entries = entriesOf(
    deadLetterRecord(0, 7, { id, version: 3, replica: "catalog" }),
    deadLetterRecord(1, 8, { id, version: 2, replica: "catalog" }),
  );
  const { steps, outcome } = await replay(entries, {});
  expect(steps).toEqual([
    `select lockstep.resend(?, ?::text[], ?::bigint[]) {${id}} {3}`,
    "2 to products.dead-letter",
    "close",
  ]);
  expect(outcome).toMatchObject({ replayed: 2, impossible: [] });
});

test("P6: a replay that could not send leaves the dead letter open", async () => {
  const entries = entriesOf(deadLetterRecord(0, 7, { id, replica: "catalog" }));
  const { steps, outcome } = await replay(entries, { resend: () => Promise.reject(new Error("the source is away")) });
  expect(steps).toEqual([`select lockstep.resend(?, ?::text[], ?::bigint[]) {${id}} {1}`, "close"]);
  expect(outcome).toEqual(new Error("the source is away"));
});

test("a second command that takes over the writer ends the first, with what to do", async () => {
  const entries = entriesOf(deadLetterRecord(0, 7, { id, replica: "catalog" }));
  const { outcome } = await replay(entries, {
    write: () => Promise.reject(new WriterDeadError("lockstep.operations.dead-letters", true)),
  });
  expect((outcome as Error).message).toBe(
    "another dead-letters command has taken over the writer: run this command again; it skips what is done already",
  );
});

test("what one replica could not apply stays open until that replica has the version, whatever others have", async () => {
  const versions: Readonly<Record<string, number>> = { catalog: 2, storefront: 5 };
  const replica = (name: string) => (async () => [{ id, version: String(versions[name]) }]) as unknown as Sql;
  const stateOf = async (options: Parameters<typeof deadLetterRecord>[2]) => {
    const entries = entriesOf(deadLetterRecord(0, 7, { id, ...options }));
    await markSuperseded(entries, replica);
    return entries[0]!.state;
  };
  expect(await stateOf({ version: 3, replica: "catalog" })).toBe("open");
  expect(await stateOf({ version: 2, replica: "catalog" })).toBe("superseded");
  expect(await stateOf({ version: 5, replica: "storefront" })).toBe("superseded");
  expect(await stateOf({ version: 6, replica: "storefront" })).toBe("open");
  // Rejected by the stream: superseded as soon as any replica has it.
  expect(await stateOf({ version: 5 })).toBe("superseded");
  expect(await stateOf({ version: 6 })).toBe("open");
});
