/** Checks after a long run: no process has grown, and the replicas equal their source. */
import { loadProject } from "../../platform/project-file.ts";
import { connectStack } from "../bench/connect-stack.ts";
import { remainingDifferences } from "../bench/differences.ts";
import type { StackStatus } from "../bench/running-stack.ts";
import { waitUntilIdle } from "../bench/wait-until-idle.ts";
import type { MemoryTrend } from "./memory-watch.ts";

/**
 * Allowed growth from the third to the last quarter: the larger of both values. Garbage collection makes memory vary.
 */
const GROWTH_MB = 16;
const GROWTH_SHARE = 0.1;

const hasGrown = ({ thirdQuarterMb, lastQuarterMb }: MemoryTrend): boolean =>
  lastQuarterMb - thirdQuarterMb > Math.max(GROWTH_MB, thirdQuarterMb * GROWTH_SHARE);

/** Runs the checks and prints their results. @returns true when all passed. */
export async function checkSoak(
  status: StackStatus,
  trends: readonly MemoryTrend[],
  print: (line: string) => void,
): Promise<boolean> {
  for (const trend of trends) {
    const { name, thirdQuarterMb, lastQuarterMb } = trend;
    const mark = hasGrown(trend) ? ": GROWS" : "";
    print(`  ${name}: ${thirdQuarterMb.toFixed(0)} MB, then ${lastQuarterMb.toFixed(0)} MB${mark}`);
  }
  await using stack = await connectStack(status, await loadProject());
  await waitUntilIdle(stack);
  const differences = await remainingDifferences(stack);
  print(
    differences.length === 0
      ? "source and replicas are equal by content"
      : `SOURCE AND REPLICAS DIFFER: ${differences.slice(0, 10).join("; ")}`,
  );
  return differences.length === 0 && !trends.some(hasGrown);
}
