/** A replica that is away for a while: stopped, and resumed while writes go on. How long until it has caught up? */
import { randomUUIDv7 } from "bun";
import insertText from "./bulk-insert.sql" with { type: "text" };
import type { Subject } from "./measure.ts";
import { httpPhase, type Say } from "./phases.ts";
import type { AwayPhase } from "./result.ts";

const RATE = 500;
/** Time to catch up in, with the same load. */
const AFTER_SECONDS = 15;
const LOOK_EVERY_MS = 20;
const CATCH_UP_WITHIN_MS = 300_000;

/** Stops all instances of the first replica for so long at {@link RATE} writes per second. */
export async function awayPhase(subject: Subject, awaySeconds: number, say: Say): Promise<AwayPhase> {
  const [replica] = subject.replicas;
  if (!replica) throw new Error("the stack has no replica");
  const pids = subject.processes.filter(({ name }) => name.split(" ")[0] === replica.name).map(({ pid }) => pid);
  const signal = (what: NodeJS.Signals) => {
    for (const pid of pids) process.kill(pid, what);
  };
  const load = httpPhase(subject, RATE, awaySeconds + AFTER_SECONDS, say);
  say(`${replica.name} is away for ${awaySeconds} s`);
  signal("SIGSTOP");
  try {
    await Bun.sleep(awaySeconds * 1_000);
  } finally {
    signal("SIGCONT");
  }
  // What is written now comes after all that was missed, in each partition.
  const markers = Array.from({ length: 50 }, () => randomUUIDv7());
  await subject.source.sql.unsafe(insertText, [markers]);
  const begun = performance.now();
  const shown = async () => {
    const [row] = await replica.sql<{ count: number }[]>`
      select count(*)::int as count from lockstep.versions where id = any (${markers}::uuid[])`;
    return row?.count === markers.length;
  };
  while (!(await shown())) {
    if (performance.now() - begun > CATCH_UP_WITHIN_MS)
      throw new Error(`${replica.name} did not catch up within 300 s`);
    await Bun.sleep(LOOK_EVERY_MS);
  }
  const catchUpSeconds = (performance.now() - begun) / 1_000;
  say(`${replica.name} has caught up after ${catchUpSeconds.toFixed(1)} s`);
  return { replica: replica.name, awaySeconds, catchUpSeconds, phase: await load };
}
