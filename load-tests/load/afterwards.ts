/** What a long run must have left behind: processes that do not grow, and replicas that equal their source. */

import type { StackStatus } from "../bench/running-stack.ts";
import { remainingDifferences, untilQuiet } from "../bench/settle.ts";
import { subjectOf } from "../bench/subject.ts";
import type { MemoryCourse } from "./memory-watch.ts";

/** A process may be this many MB, or this part, larger in the last quarter than in the one before: collectors leave it to chance. */
const GROWTH_MB = 16;
const GROWTH_SHARE = 0.1;

const grows = ({ thirdQuarterMb, lastQuarterMb }: MemoryCourse): boolean =>
  lastQuarterMb - thirdQuarterMb > Math.max(GROWTH_MB, thirdQuarterMb * GROWTH_SHARE);

/** Says what was found. @returns whether all is well. */
export async function afterwards(
  status: StackStatus,
  courses: readonly MemoryCourse[],
  say: (line: string) => void,
): Promise<boolean> {
  for (const course of courses)
    say(
      `  ${course.name}: ${course.thirdQuarterMb.toFixed(0)} MB, then ${course.lastQuarterMb.toFixed(0)} MB${grows(course) ? ": GROWS" : ""}`,
    );
  await using subject = await subjectOf(status);
  await untilQuiet(subject);
  const differences = await remainingDifferences(subject);
  say(
    differences.length === 0
      ? "source and replicas are equal by content"
      : `SOURCE AND REPLICAS DIFFER: ${differences.slice(0, 10).join("; ")}`,
  );
  return differences.length === 0 && !courses.some(grows);
}
