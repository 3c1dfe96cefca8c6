/** What a run prints, and the folder that a failing run leaves behind. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { InjectedFault, Run } from "./checker.ts";
import type { FoundViolation } from "./checkers/index.ts";
import type { RunResult } from "./run.ts";
import type { System } from "./system.ts";

/** What a run did, as numbers. `--json` has one for each run. */
export interface RunSummary {
  readonly seed: number;
  readonly verdict: "held" | "violated";
  readonly faults: readonly InjectedFault[];
  readonly writes: number;
  readonly unknownWrites: number;
  readonly reads: number;
  /** Milliseconds from the last fault until all copies were equal; null: not within the limit. */
  readonly inStepMs: number | null;
  readonly violations: readonly { readonly checker: string; readonly promise: string; readonly sentence: string }[];
}

/** Summarizes a run. Pure. */
export function summaryOf({ seed, run, violations }: RunResult): RunSummary {
  const writes = run.operations.filter(({ kind }) => kind !== "read");
  return {
    seed,
    verdict: violations.length === 0 ? "held" : "violated",
    faults: run.faults,
    writes: writes.filter(({ outcome }) => outcome === "committed").length,
    unknownWrites: writes.filter(({ outcome }) => outcome === "unknown").length,
    reads: run.operations.filter(({ kind, outcome }) => kind === "read" && /seen|absent/.test(outcome)).length,
    inStepMs: run.inStepAt === undefined ? null : run.inStepAt - run.quietAt,
    violations: violations.map(({ checker, promise, sentence }) => ({ checker, promise, sentence })),
  };
}

/** The verdict as text: one line when all promises held, else each counterexample with its operations. Pure. */
export function verdictText(result: RunResult, repeat: string): string {
  const { seed, faults, writes, unknownWrites, reads, inStepMs } = summaryOf(result);
  const counts = `${faults.length} faults, ${writes} writes (${unknownWrites} unknown), ${reads} reads`;
  if (result.violations.length === 0)
    return `seed ${seed}: all promises held; ${counts}; in step ${seconds(inStepMs ?? 0)} s after the last fault`;
  const shown = result.violations.slice(0, 5).map((violation) => counterexample(violation, result.run));
  const more = result.violations.length - shown.length;
  return [
    `seed ${seed}: ${result.violations.length} violation${result.violations.length === 1 ? "" : "s"}; ${counts}`,
    ...shown,
    ...(more > 0 ? [`… and ${more} more`] : []),
    `repeat it: ${repeat}`,
  ].join("\n");
}

function counterexample({ promise, checker, sentence, operations }: FoundViolation, { faults }: Run): string {
  const active = activeFaults(faults, operations);
  return [
    `${promise} (${checker}): ${sentence}`,
    ...operations.map((operation) => `    ${operationText(operation)}`),
    ...(active.length > 0
      ? [`    ${operations.length > 0 ? "faults at that time" : "faults of the run"}: ${active.join("; ")}`]
      : []),
  ].join("\n");
}

/** The faults that were active while the operations ran, or shortly before. Without operations: all. */
function activeFaults(faults: readonly InjectedFault[], operations: Run["operations"]): string[] {
  const from = Math.min(...operations.map(({ start }) => start)) - 1_000;
  const to = Math.max(...operations.map(({ end }) => end));
  return faults
    .filter(({ start, end }) => operations.length === 0 || (start <= to && end >= from))
    .map(({ fault, subject, start, end }) => `${fault} of ${subject} (${seconds(start)} to ${seconds(end)} s)`);
}

function operationText(operation: Run["operations"][number]): string {
  const { client, kind, start, end, outcome, version } = operation;
  const at = `${seconds(start)} to ${seconds(end)} s`;
  const where = operation.kind === "read" ? ` of ${operation.replica} (${operation.from ?? "-"})` : "";
  return `${at}  ${client}: ${kind}${where} of ${operation.id ?? "a new entity"}: ${outcome}, version ${version ?? "-"}`;
}

const seconds = (ms: number): string => (ms / 1000).toFixed(1);

/** Writes logs, history, schedule and verdict of a failed run. @returns the folder. */
export async function keepFailure(system: System, result: RunResult, parent: string, text: string): Promise<string> {
  const folder = join(parent, `chaos-${result.seed}`);
  mkdirSync(folder, { recursive: true });
  const write = (name: string, content: unknown) =>
    writeFileSync(join(folder, name), `${JSON.stringify(content, null, 2)}\n`);
  const { operations, faults, statuses, rowCounts, planted } = result.run;
  write("schedule.json", result.schedule);
  write("faults.json", { faults, planted, statuses, rowCounts });
  write("violations.json", result.violations);
  writeFileSync(join(folder, "history.jsonl"), operations.map((one) => `${JSON.stringify(one)}\n`).join(""));
  writeFileSync(join(folder, "verdict.txt"), `${text}\n`);
  await system.keepEvidence(folder);
  return folder;
}
