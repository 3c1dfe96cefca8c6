/** The relay's loop: it sleeps while the outbox is empty, and misses no change. A missed NOTIFY would cost a minute. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { eventually } from "../tests/harness/eventually.ts";
import { RelayFixture, type RunningRelay } from "../tests/harness/relay.ts";
import type { LeaderLock } from "./leader-lock.ts";
import type { Outbox } from "./outbox.ts";

const POLL_MS = 60_000;
const LIMIT_MS = 10_000;

let fixture: RelayFixture;
beforeAll(async () => {
  fixture = await RelayFixture.start();
}, 60_000);
afterAll(() => fixture?.[Symbol.asyncDispose]());

const until = (check: () => unknown, what: string) => eventually(check, { timeoutMs: LIMIT_MS, what });
const untilSent = (change: string) =>
  until(async () => (await fixture.sql`select from lockstep.outbox`).length === 0, `the relay to send ${change}`);

/** A relay that nothing but a NOTIFY wakes. */
class SleepingRelay implements AsyncDisposable {
  private isAsleep = false;
  private isWaiting = false;
  private running: RunningRelay | undefined;

  /**
   * @param beforeSleep runs once, after a read has found nothing and before the relay announces its sleep.
   * @param afterRead runs once, after a sleeping relay has read nothing and before it waits.
   */
  static async start({
    beforeSleep = async () => {},
    afterRead = async () => {},
    onNotify = () => {},
  }: {
    readonly beforeSleep?: () => Promise<void>;
    readonly afterRead?: () => Promise<void>;
    readonly onNotify?: () => void;
  } = {}): Promise<SleepingRelay> {
    const relay = new SleepingRelay();
    const once = (work: () => Promise<void>) => {
      let done: Promise<void> | undefined;
      return () => {
        done ??= work();
        return done;
      };
    };
    const [sleepOnce, readOnce] = [once(beforeSleep), once(afterRead)];
    relay.running = await fixture.relay({
      pollMs: POLL_MS,
      onNotify,
      leader: (leader: LeaderLock) => {
        const fallAsleep = leader.fallAsleep.bind(leader);
        leader.fallAsleep = async () => {
          await sleepOnce();
          relay.isAsleep = await fallAsleep();
          return relay.isAsleep;
        };
        return leader;
      },
      outbox: (outbox: Outbox) => {
        const read = outbox.read.bind(outbox);
        outbox.read = async (limit, done) => {
          const wasAsleep = relay.isAsleep;
          const rows = await read(limit, done);
          if (wasAsleep && rows.length === 0) await readOnce();
          relay.isWaiting = wasAsleep && rows.length === 0;
          return rows;
        };
        return outbox;
      },
    });
    return relay;
  }

  /** Waits until the relay has read an empty outbox after it fell asleep. */
  async untilWaiting(): Promise<void> {
    await until(() => this.isWaiting, "the relay to sleep");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.running?.[Symbol.asyncDispose]();
  }
}

test("P1: each kind of change wakes a relay that sleeps", async () => {
  const { sql } = fixture;
  await using relay = await SleepingRelay.start();
  let id = Bun.randomUUIDv7();
  const insert = () => sql`insert into products (id, sku, name, price) values (${id}, ${id}, 'Cup', 1)`;
  const asReplica = async (change: string) => {
    await sql`set session_replication_role = replica`;
    await sql.unsafe(change);
    await sql`reset session_replication_role`;
  };
  const changes: readonly (readonly [string, () => PromiseLike<unknown>])[] = [
    ["an insert", insert],
    ["an update", () => sql`update products set stock = 1 where id = ${id}`],
    ["a row that is sent again", () => sql`select lockstep.send('product', array[${id}]::text[])`],
    ["a resend", () => sql`select lockstep.resend('product', array[${id}]::text[])`],
    ["a delete", () => sql`delete from products where id = ${id}`],
    ["a resend of a deleted row", () => sql`select lockstep.resend('product', array[${id}]::text[])`],
    [
      "a replicated insert",
      () => asReplica(`insert into products (id, sku, name, price) values ('${id}', 'r', 'R', 1)`),
    ],
    ["a replicated update", () => asReplica(`update products set stock = 2 where id = '${id}'`)],
    ["a replicated truncate", () => asReplica("truncate products")],
    ["a replicated delete", () => asReplica(`delete from products where id = '${id}'`)],
  ];
  for (const [name, change] of changes) {
    if (name === "a replicated delete") {
      id = Bun.randomUUIDv7();
      await insert();
      await untilSent("the row to delete");
    }
    await relay.untilWaiting();
    await change();
    await untilSent(name);
  }
});

test("P1: a change that is committed just before the relay falls asleep is sent", async () => {
  let id = "";
  await using relay = await SleepingRelay.start({
    beforeSleep: async () => {
      id = await fixture.insert();
    },
  });
  await relay.untilWaiting();
  await until(async () => (await fixture.sent()).includes(`${id}:1`), "the change before the sleep in the topic");
});

test("P1: a change whose NOTIFY arrives before the relay waits is sent", async () => {
  let id = "";
  const notified = Promise.withResolvers<void>();
  await using _relay = await SleepingRelay.start({
    onNotify: notified.resolve,
    afterRead: async () => {
      id = await fixture.insert();
      await notified.promise;
    },
  });
  await notified.promise;
  await until(async () => (await fixture.sent()).includes(`${id}:1`), "the change during the read in the topic");
});

test("a relay that stops deletes the rows of its last batch and saves its positions", async () => {
  const id = await fixture.insert();
  const stopping = Promise.withResolvers<void>();
  const published = Promise.withResolvers<void>();
  const relay = await fixture.relay({
    outbox: (outbox) => {
      const read = outbox.read.bind(outbox);
      outbox.read = async (limit, done) => {
        const rows = await read(limit, done);
        if (rows.length === 0) return rows;
        published.resolve();
        await stopping.promise;
        return rows;
      };
      return outbox;
    },
  });
  await published.promise;
  const stopped = relay[Symbol.asyncDispose]();
  stopping.resolve();
  await stopped;
  expect(await fixture.sql`select from lockstep.outbox`).toHaveLength(0);
  expect((await fixture.sent()).filter((sent) => sent === `${id}:1`)).toHaveLength(1);
  const [saved] = await fixture.sql`select sum(next_offset)::int as records from lockstep.relay_positions`;
  // A fence is a record, too.
  expect(saved!.records).toBeGreaterThanOrEqual((await fixture.records()).length);
});
