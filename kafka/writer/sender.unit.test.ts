/** What a broker does that hangs, or answers for a part of a request only. */
import { afterEach, expect, jest, test } from "bun:test";
import { ByteReader } from "../wire/byte-reader.ts";
import type { Cluster } from "../wire/cluster.ts";
import type { ProduceResponse } from "../wire/produce-request.ts";
import type { Protocol } from "../wire/protocol.ts";
import { Sender } from "./sender.ts";

const broker = { id: 1, host: "h", port: 1 };
const part = (partition: number, transactionalId: string | null = null) => ({
  topic: "t",
  partition,
  batch: Buffer.alloc(100),
  transactionalId,
});
/** The next turn of the event loop, and the microtasks after it. */
const turn = async () => {
  await new Promise((resolve) => setImmediate(resolve));
  for (let task = 0; task < 20; task++) await Promise.resolve();
};

afterEach(() => void jest.useRealTimers());

/** The partitions in a produce request for one topic. */
function partitionsOf({ request }: Protocol<unknown>): number[] {
  // No transactional id, acks, timeout, one topic, its name.
  const reader = new ByteReader(request.encode(0));
  reader.skip(2 + 2 + 4 + 4 + 3);
  return reader.list(() => {
    const partition = reader.int32();
    reader.bytes();
    return partition;
  });
}

/** A sender whose requests get these responses: one promise for each request. */
function senderWith(...responses: Promise<readonly ProduceResponse[]>[]) {
  const requests: Protocol<unknown>[] = [];
  const state = { leaderId: 1 };
  const cluster = {
    dedicatedConnection: () => ({
      send: (request: Protocol<unknown>) => responses[requests.push(request) - 1],
      close: () => {},
    }),
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
  await turn();
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
    await Bun.sleep(10);
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
  await Bun.sleep(20);
  expect(requests).toHaveLength(3);
});

test("batches that become ready in one turn of the event loop share a request", async () => {
  const { sender, requests } = senderWith(new Promise<never>(() => {}));
  void sender.send(broker, part(0));
  for (let task = 0; task < 50; task++) await Promise.resolve();
  void sender.send(broker, part(1));
  await turn();
  expect(requests.map(partitionsOf)).toEqual([[0, 1]]);
});

test("batches wait for a request in flight and then go together, but not for a slow one", async () => {
  const [first, slow] = [Promise.withResolvers<readonly ProduceResponse[]>(), new Promise<never>(() => {})];
  const { sender, requests } = senderWith(first.promise, slow, slow);
  void sender.send(broker, part(0));
  await turn();
  for (const partition of [1, 2]) {
    void sender.send(broker, part(partition));
    await turn();
  }
  expect(requests.map(partitionsOf), "while the first request is in flight").toEqual([[0]]);
  first.resolve([{ topic: "t", partition: 0, errorCode: 0, baseOffset: 5 }]);
  await turn();
  await turn();
  expect(requests.map(partitionsOf), "after its response").toEqual([[0], [1, 2]]);
  void sender.send(broker, part(3));
  await Bun.sleep(50);
  expect(requests.map(partitionsOf), "while the second one is slow").toEqual([[0], [1, 2], [3]]);
});
