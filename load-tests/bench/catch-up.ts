/** A replica that is away for a while: stopped, and resumed while writes go on. How long until it has caught up? */
import { caughtUp } from "./caught-up.ts";
import type { Measuring, Subject } from "./measure.ts";
import { httpPhase, type Print } from "./phases.ts";
import type { AwayPhase } from "./result.ts";

const RATE = 500;
/** Time to catch up in, with the same load. */
const AFTER_SECONDS = 15;

/** Stops all instances of the first replica for so long at {@link RATE} writes per second. @throws {Error} when it does not catch up within 300 s. */
export async function catchUpPhase(
  subject: Subject,
  awaySeconds: number,
  say: Print,
  measurement: Measuring,
): Promise<AwayPhase> {
  const [replica] = subject.replicas;
  if (!replica) throw new Error("the stack has no replica");
  const pids = subject.processes.filter(({ name }) => name.split(" ")[0] === replica.name).map(({ pid }) => pid);
  const signal = (what: NodeJS.Signals) => {
    for (const pid of pids) process.kill(pid, what);
  };
  const load = httpPhase(subject, RATE, awaySeconds + AFTER_SECONDS, say, measurement);
  say(`${replica.name} is away for ${awaySeconds} s`);
  signal("SIGSTOP");
  try {
    await Bun.sleep(awaySeconds * 1_000);
  } finally {
    signal("SIGCONT");
  }
  const { resumedSeconds, catchUpSeconds } = await caughtUp(subject.source.sql, replica.sql);
  say(`${replica.name} has caught up after ${catchUpSeconds.toFixed(1)} s`);
  return { replica: replica.name, awaySeconds, resumedSeconds, catchUpSeconds, phase: await load };
}
