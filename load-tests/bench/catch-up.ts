/** Suspends a replica for a while during a constant load, and measures how long it takes to catch up. */
import { sleep } from "../../platform/async/sleep.ts";
import { measureCatchUp } from "./measure-catch-up.ts";
import type { PhaseMeasurement, SystemUnderTest } from "./measurement.ts";
import { LEAD_IN_SECONDS, type Print, ratePhase } from "./phases.ts";
import type { AwayPhase } from "./result.ts";

const WRITES_PER_SECOND = 500;
/** The load continues for this time after the replica resumes. */
const AFTER_SECONDS = 15;

/**
 * Suspends all instances of the first replica with SIGSTOP, at {@link WRITES_PER_SECOND}.
 *
 * @throws {Error} when the stack has no replica, or it does not catch up within 300 s.
 */
export async function catchUpPhase(
  stack: SystemUnderTest,
  awaySeconds: number,
  print: Print,
  measurement: PhaseMeasurement,
): Promise<AwayPhase> {
  const [replica] = stack.replicas;
  if (!replica) throw new Error("the stack has no replica");
  const pids = stack.processes.filter(({ name }) => name.split(" ")[0] === replica.name).map(({ pid }) => pid);
  const sendSignal = (signal: NodeJS.Signals) => {
    for (const pid of pids) process.kill(pid, signal);
  };
  const lengths = { leadIn: LEAD_IN_SECONDS, measured: awaySeconds + AFTER_SECONDS, observed: 0 };
  const load = ratePhase(stack, WRITES_PER_SECOND, lengths, print, measurement);
  print(`${replica.name} is suspended for ${awaySeconds} s`);
  sendSignal("SIGSTOP");
  try {
    await sleep(awaySeconds * 1_000);
  } finally {
    sendSignal("SIGCONT");
  }
  const { resumedSeconds, catchUpSeconds } = await measureCatchUp(stack, replica.sql);
  print(`${replica.name} has caught up after ${catchUpSeconds.toFixed(1)} s`);
  return { replica: replica.name, awaySeconds, resumedSeconds, catchUpSeconds, phase: await load };
}
