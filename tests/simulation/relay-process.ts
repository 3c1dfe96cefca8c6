/** A relay process: the product's lock, outbox, publisher and loop, as relay/leadership.ts wires them. */
import { LeaderLock } from "../../relay/leader-lock.ts";
import { LostEvents } from "../../relay/lost-events.ts";
import { Outbox } from "../../relay/outbox.ts";
import { Publisher } from "../../relay/publisher.ts";
import { Relay } from "../../relay/relay.ts";
import { product } from "../project/index.ts";
import type { Servers } from "./servers.ts";
import { silentLogger as logger, silentMetrics as metrics } from "./silent.ts";
import { SimulatedLog } from "./simulated-log.ts";
import type { SimulatedProcess } from "./world.ts";

/** Most rows of one read. A process often has another number than the one before, so its batches are others too. */
const BATCH_ROWS = [1, 2, 8];
/** Longest sleep, in ms. */
const POLL_MS = 1_000;

/** Runs until the process cannot lead any more. @throws {Error} whatever ends it. */
export async function runRelay({ world, broker, groups, source }: Servers, process: SimulatedProcess): Promise<void> {
  const session = source.openSession(process);
  const { sql } = session;
  const batchRows = world.random.pick(BATCH_ROWS);
  const leader = new LeaderLock(sql, process.name);
  const failure = Promise.withResolvers<never>();
  const log = new SimulatedLog({ world, broker, groups, process });
  const lead = async () => {
    const { signal } = new AbortController();
    if (!(await leader.acquire(signal))) return;
    world.trace(process, () => "leads");
    leader.startHeartbeat(failure.reject);
    const outbox = new Outbox(sql, true);
    const lostEvents = new LostEvents({ sql, logger });
    const publisher = new Publisher(log, { namespace: "", allEntities: [product] }, await outbox.positions(), (lost) =>
      lostEvents.record(lost),
    );
    const relay = new Relay({ outbox, leader, publisher, logger, metrics }, { batchRows, pollMs: POLL_MS });
    source.listen(process, () => relay.notify());
    await relay.run(signal);
  };
  await Promise.race([lead(), failure.promise, session.closed]);
}
