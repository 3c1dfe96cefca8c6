/** What a broker does that hangs, or answers for a part of a request only. */
import { afterEach, expect, jest, test } from "bun:test";
import type { Cluster } from "../wire/cluster.ts";
import type { ProduceResponse } from "../wire/produce-request.ts";
import { Sender } from "./sender.ts";

const broker = { id: 1, host: "h", port: 1 };
const part = (partition: number, transactionalId: string | null = null) => ({
  topic: "t",
  partition,
  batch: Buffer.alloc(100),
  transactionalId,
});
const turns = async () => {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
};

afterEach(() => void jest.useRealTimers());

/** A sender whose requests get these responses: one promise for each request. */
function senderWith(...responses: Promise<readonly ProduceResponse[]>[]) {
  const requests: unknown[] = [];
  const state = { leaderId: 1 };
  const cluster = {
    dedicatedConnection: () => ({ send: (request: unknown) => responses[requests.push(request) - 1], close: () => {} }),
    refresh: async () => {},
    knownLeader: () => ({ ...broker, id: state.leaderId }),
  } as unknown as Cluster;
  return { sender: new Sender(cluster), requests, state };
}

test("P1: a batch for which the broker returns nothing is not taken for stored", async () => {
  const { sender } = senderWith(Promise.resolve([{ topic: "t", partition: 0, errorCode: 0, baseOffset: 5 }]));
  const sent = [sender.send(broker, part(0)), sender.send(broker, part(1))];
  expect(await sent[0]!).toMatchObject({ baseOffset: 5 });
  await expect(sent[1]!).rejects.toThrow("broker 1 returned nothing for t/1");
});

test("batches whose leader moves are rejected while the old leader hangs, so that they go to the new one", async () => {
  jest.useFakeTimers();
  const { sender, state } = senderWith(new Promise(() => {}));
  const outcome = sender.send(broker, part(0)).then(
    () => "stored",
    (error: Error) => error.message,
  );
  await turns();
  jest.advanceTimersByTime(1_000);
  state.leaderId = 2;
  jest.advanceTimersByTime(1_000);
  expect(await outcome).toBe("the leader of t/0 is broker 2 now, not 1");
});

test("a lost response rejects the batches that wait for a connection too", async () => {
  const requests = Array.from({ length: 3 }, () => Promise.withResolvers<readonly ProduceResponse[]>());
  const { sender, requests: sent } = senderWith(...requests.map(({ promise }) => promise));
  const outcomes: Promise<ProduceResponse>[] = [];
  for (let partition = 0; partition < 4; partition++) {
    outcomes.push(sender.send(broker, part(partition)));
    await turns();
  }
  expect(sent).toHaveLength(3);
  const settled = Promise.allSettled([outcomes[0], outcomes[3]]);
  const reason = new Error("the connection was closed");
  requests[0]!.reject(reason);
  expect(await settled).toEqual([
    { status: "rejected", reason },
    { status: "rejected", reason },
  ]);
});

test("a request has batches of one transaction, and of each partition one", async () => {
  const { sender, requests } = senderWith(...Array.from({ length: 3 }, () => new Promise<never>(() => {})));
  for (const each of [part(0, "a"), part(1, "a"), part(0, "a"), part(2, "b")]) void sender.send(broker, each);
  await turns();
  expect(requests).toHaveLength(3);
});
