/** P7: which fences an applier sets, lifts and leaves, and which attempts it makes, by the answers of its database. */
import { expect, test } from "bun:test";
import { deleteChange, silentLogger, upsertChange } from "../../tests/harness/replica.ts";
import type { CacheWriter } from "../cache/cache-writer.ts";
import { Applier } from "./applier.ts";
import { type ApplyResult, type CacheGuard, type Change, EpochMovedError } from "./apply.ts";
import { type Rejection, RejectionTracker, TableRejectsError, type TableTest } from "./rejection-tracker.ts";

const NOTHING: ApplyResult = { unchanged: new Map(), altered: new Set(), rejected: new Map() };
const rejection = (isUncertain = false, code = "23514"): Rejection => ({
  code,
  message: "rejected",
  names: {},
  raised: false,
  isUncertain,
});
const ofServer = (code: string) => Object.assign(new Error(`error ${code}`), { severity: "ERROR", code });

interface Answers {
  /** Results of the fences, one for each attempt; then "ok". */
  readonly fences?: readonly ("ok" | "moved")[];
  /** Results of the statements, one for each attempt; then no rejection. */
  readonly statements?: readonly (ApplyResult | Error)[];
  readonly tableTest?: TableTest;
  /** False: the cache is off. */
  readonly isOn?: boolean;
  readonly isReachable?: boolean;
}

/** An applier with collaborators that record their calls. */
function applierWith({ fences = [], statements = [], isOn = true, isReachable = true, tableTest }: Answers) {
  const calls: string[] = [];
  const ids = (changes: readonly Change[]) => changes.map(({ id }) => id).join(" ");
  const [remainingFences, remainingStatements] = [[...fences], [...statements]];
  let epoch = 1;
  const apply = (name: string) => async (changes: readonly Change[], guard: CacheGuard) => {
    calls.push(`${name} ${ids(changes)} ${guard.cache} in ${guard.epoch}`);
    const answer = remainingStatements.shift() ?? NOTHING;
    if (answer instanceof Error) throw answer;
    return answer;
  };
  const cacheWriter: Pick<CacheWriter, "fence" | "isReachable" | "lift" | "store"> = {
    fence: async (at) => ((remainingFences.shift() ?? "ok") === "ok" ? { epoch: at, token: "t" } : "moved"),
    isReachable: () => isReachable,
    lift: async (_, changes) => void calls.push(`lift ${ids(changes as readonly Change[])}`),
    store: async ({ accepted }) => calls.push(`store ${ids(accepted as readonly Change[])}`) > 0,
  };
  const seen = () => ({ epoch, runId: isOn ? "server" : null, due: false });
  const applier = new Applier({
    applyChanges: apply("all"),
    applyEach: apply("each"),
    alone: {
      applyAll: apply("all, short limit"),
      applyOne: (change, guard) => apply("alone")([change], guard),
      testTable: async () => tableTest ?? "accepts",
    },
    rejections: new RejectionTracker("things", async () => tableTest ?? "accepts"),
    cacheWriter: cacheWriter as CacheWriter,
    epoch: {
      afterLeaseExpiry: async () => seen(),
      async refresh() {
        epoch++;
        return seen();
      },
    },
    logger: silentLogger,
  });
  return { applier, calls };
}

const batch = [upsertChange("a", 1), upsertChange("b", 1), deleteChange("c", 2)];

test("the statement's guard says whether the batch is fenced, or why it need not be", async () => {
  for (const [answers, guard] of [
    [{}, "fenced"],
    [{ isOn: false }, "off"],
    [{ isOn: false, isReachable: false }, "away"],
  ] as const) {
    const { applier, calls } = applierWith(answers);
    await applier.apply(batch);
    expect(calls).toEqual([`all a b c ${guard} in 1`]);
  }
});

test("after the epoch moved, the batch is fenced and applied again in the next one, and no fence is lifted", async () => {
  const { applier, calls } = applierWith({ fences: ["ok", "moved", "ok"], statements: [new EpochMovedError("moved")] });
  await applier.apply(batch);
  expect(calls).toEqual(["all a b c fenced in 1", "all a b c fenced in 2"]);
});

test("P14: a batch whose epoch moves ten times is delivered again", async () => {
  const { applier, calls } = applierWith({ fences: Array(10).fill("moved") });
  await expect(applier.apply(batch)).rejects.toThrow(
    "the cache's epoch changed 10 times during one batch; the log delivers the batch again",
  );
  expect(calls).toEqual([]);
});

test("P7: fences of rejected rows are lifted, except of those that may still be committed", async () => {
  const rejected = new Map([
    ["a", rejection(true)],
    ["b", rejection()],
  ]);
  const { applier, calls } = applierWith({ statements: [ofServer("23514"), { ...NOTHING, rejected }] });
  const applied = await applier.apply(batch);
  expect(calls).toEqual(["all a b c fenced in 1", "each a b c fenced in 1", "lift b"]);
  expect(applied.accepted.map(({ id }) => id)).toEqual(["c"]);
  expect(applied.rejected.map(({ change }) => change.id)).toEqual(["a", "b"]);
});

test("P7: the fences of an undone batch are lifted before the next attempt; those of a lost connection stay", async () => {
  const lost = Object.assign(new Error("lost"), { code: "CONNECTION_CLOSED" });
  const [first, again] = ["all a b c fenced in 1", "all a b c fenced in 1"];
  const undone = applierWith({ statements: [ofServer("40P01")] });
  await undone.applier.apply(batch);
  expect(undone.calls).toEqual([first!, "lift a b c", again!]);
  const unknown = applierWith({ statements: [lost] });
  await unknown.applier.apply(batch);
  expect(unknown.calls).toEqual([first!, again!]);
});

test("P6: after a cancelled statement each row is applied alone, and the next batches have the short limit", async () => {
  const { applier, calls } = applierWith({ isOn: false, statements: [ofServer("57014")] });
  await applier.apply(batch);
  await applier.apply([deleteChange("d", 1)]);
  expect(calls).toEqual([
    "all a b c off in 1",
    "alone a off in 1",
    "alone b off in 1",
    "alone c off in 1",
    "all, short limit d off in 1",
  ]);
});

test("P6: when the table accepts no row, the deletes of the batch are stored in the cache before it fails", async () => {
  const rejected = new Map(["a", "b"].map((id) => [id, rejection(false, "42501")]));
  const { applier, calls } = applierWith({
    statements: [ofServer("42501"), { ...NOTHING, rejected }],
    tableTest: "rejects",
  });
  await expect(applier.apply(batch)).rejects.toThrow(TableRejectsError);
  expect(calls.slice(2)).toEqual(["lift a b", "store c"]);
});

test("P14: a read-only database is retried, and reported until the batch is applied", async () => {
  const { applier } = applierWith({ statements: [ofServer("25006")] });
  const applying = applier.apply(batch);
  while (!applier.readOnlyProblem) await new Promise((resolve) => setImmediate(resolve));
  expect([applier.readOnlyProblem, applier.lastProblem]).toEqual(["error 25006", "error 25006"]);
  await applying;
  expect([applier.readOnlyProblem, applier.lastProblem]).toEqual([undefined, undefined]);
});
