/** A replica that is away for a while: stopped, and resumed while writes go on. How long until it has caught up? */
import { randomUUIDv7 } from "bun";
import type { Sql } from "postgres";
import insertText from "./bulk-insert.sql" with { type: "text" };
import type { Subject } from "./measure.ts";
import { httpPhase, type Say } from "./phases.ts";
import { entity } from "./product.ts";
import type { AwayPhase } from "./result.ts";

const RATE = 500;
/** Time to catch up in, with the same load. */
const AFTER_SECONDS = 15;
const MARKERS = 50;
const LOOK_EVERY_MS = 50;
const CATCH_UP_WITHIN_MS = 300_000;

/** Stops all instances of the first replica for so long at {@link RATE} writes per second. @throws {Error} when it does not catch up within 300 s. */
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
  const { resumedSeconds, catchUpSeconds } = await caughtUp(subject.source.sql, replica.sql);
  say(`${replica.name} has caught up after ${catchUpSeconds.toFixed(1)} s`);
  return { replica: replica.name, awaySeconds, resumedSeconds, catchUpSeconds, phase: await load };
}

/** Resolves when the replica has what is written now: in each partition that comes after all that it missed. */
async function caughtUp(source: Sql, replica: Sql) {
  const markers = Array.from({ length: MARKERS }, () => randomUUIDv7());
  const begun = performance.now();
  const since = () => (performance.now() - begun) / 1_000;
  const look = async () => {
    const [row] = await replica<{ lsn: string; shown: number }[]>`
      select pg_current_wal_insert_lsn()::text as lsn, count(*)::int as shown
      from lockstep.versions where entity = ${entity.name} and id = any (${markers}::uuid[])`;
    return row!;
  };
  const before = await look();
  await source.unsafe(insertText, [markers]);
  let resumedSeconds: number | undefined;
  for (;;) {
    const { lsn, shown } = await look();
    if (resumedSeconds === undefined && lsn !== before.lsn) resumedSeconds = since();
    if (shown === MARKERS) return { resumedSeconds: resumedSeconds ?? since(), catchUpSeconds: since() };
    if (performance.now() - begun > CATCH_UP_WITHIN_MS) throw new Error("the replica did not catch up within 300 s");
    await Bun.sleep(LOOK_EVERY_MS);
  }
}
