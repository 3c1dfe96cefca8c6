/** Which items share a unit of work, and which result each caller gets. */
import { describe, expect, test } from "bun:test";
import { LockstepError } from "../../contracts/errors.ts";
import { Batcher, type BatcherOptions } from "./batcher.ts";

interface Write {
  readonly id: string;
  readonly bytes: number;
}

const write = (id: string, bytes = 10): Write => ({ id, bytes });
const options: BatcherOptions<Write> = {
  concurrency: 1,
  isolatedConcurrency: 1,
  maxItems: 100,
  maxSize: 1_048_576,
  sizeOf: ({ bytes }) => bytes,
  keyOf: ({ id }) => id,
  isIsolatable: () => true,
  maxQueued: 5,
  timeoutMs: 1_000,
  overloadError: (message) => new LockstepError("OVERLOADED", message),
};

/** Records the batches as they run; `respond` makes the results, the ids by default. */
function recorded(respond: (ids: readonly string[]) => readonly string[] = (ids) => ids) {
  const batches: string[] = [];
  const work = async (writes: readonly Write[]) => {
    const ids = writes.map(({ id }) => id);
    batches.push(ids.join(" "));
    await Promise.resolve();
    return respond(ids);
  };
  return { batches, work };
}

/** Work that the test completes. */
function manual() {
  const calls: { items: readonly number[][]; done: PromiseWithResolvers<undefined[]> }[] = [];
  const work = (items: readonly number[][]) => {
    const done = Promise.withResolvers<undefined[]>();
    calls.push({ items, done });
    return done.promise;
  };
  return { calls, work };
}
const submissions: BatcherOptions<number[]> = {
  concurrency: 1,
  isolatedConcurrency: 0,
  maxSize: 10,
  sizeOf: ({ length }) => length,
  isIsolatable: () => false,
};
/** One turn of the event loop. */
const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

describe("with keys and separate isolation", () => {
  test("the first item runs at once; items that arrive during its work run together, sorted by key", async () => {
    const { batches, work } = recorded();
    const batcher = new Batcher(work, options);
    expect(await Promise.all(["c", "b", "a"].map((id) => batcher.add(write(id))))).toEqual(["c", "b", "a"]);
    expect(batches).toEqual(["c", "a b"]);
  });

  test("with gathersTurn, items of one turn start together", async () => {
    const { batches, work } = recorded();
    const batcher = new Batcher(work, { ...options, gathersTurn: true });
    const later = Promise.resolve().then(() => batcher.add(write("b")));
    await Promise.all([batcher.add(write("c")), later, batcher.add(write("a"))]);
    await Promise.all(["e", "d"].map((id) => batcher.add(write(id))));
    expect(batches).toEqual(["a b c", "d e"]);
  });

  test("a batch has each key once, and the second item of a key runs after the first", async () => {
    const { batches, work } = recorded();
    const batcher = new Batcher(work, options);
    await Promise.all(["x", "a", "a", "b", "a"].map((id) => batcher.add(write(id))));
    expect(batches).toEqual(["x", "a b", "a", "a"]);
  });

  test("an error that one item causes reaches the caller of that item only", async () => {
    const { batches, work } = recorded((ids) => {
      if (ids.includes("bad")) throw new Error("duplicate");
      return ids;
    });
    const isIsolatable = (error: unknown) => (error as Error).message === "duplicate";
    const batcher = new Batcher(work, { ...options, isIsolatable });
    const results = await Promise.allSettled(["x", "bad", "good"].map((id) => batcher.add(write(id))));
    expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    expect(batches).toEqual(["x", "bad good", "bad", "good"]);
  });

  test("of a hundred items the batcher finds the two bad ones by halves, and the others run together", async () => {
    const { batches, work } = recorded((ids) => {
      if (ids.some((id) => id.startsWith("bad"))) throw new Error("rejected");
      return ids;
    });
    const batcher = new Batcher(work, { ...options, maxQueued: 200 });
    const ids = Array.from({ length: 101 }, (_, i) => (i === 30 || i === 77 ? `bad${i}` : `ok${i}`));
    const results = await Promise.allSettled(ids.map((id) => batcher.add(write(id))));
    expect(results.flatMap(({ status }, i) => (status === "rejected" ? [ids[i]] : []))).toEqual(["bad30", "bad77"]);
    expect(batches.length).toBeLessThan(30);
  });

  test("while every second item is bad, items run by themselves, three at a time; later they share batches again", async () => {
    let running = 0;
    let mostRunning = 0;
    const sizes: number[] = [];
    const batcher = new Batcher<Write, string>(
      async (writes) => {
        mostRunning = Math.max(mostRunning, ++running);
        sizes.push(writes.length);
        await nextTurn();
        running--;
        if (writes.some(({ id }) => id.startsWith("bad"))) throw new Error("rejected");
        return writes.map(({ id }) => id);
      },
      { ...options, isolatedConcurrency: 2, maxQueued: 1_000 },
    );
    const add = (count: number, badEvery: number) =>
      Promise.allSettled(
        Array.from({ length: count }, (_, i) =>
          batcher.add(write(`${(i + 1) % badEvery ? "ok" : "bad"}${i} ${sizes.length}`)),
        ),
      );
    await add(300, 2);
    sizes.length = 0;
    mostRunning = 0;
    await add(30, 2);
    expect([Math.max(...sizes), mostRunning]).toEqual([1, 3]);
    await add(600, 1_000_000);
    sizes.length = 0;
    mostRunning = 0;
    await add(101, 1_000_000);
    expect(Math.max(...sizes)).toBe(100);
    expect(mostRunning).toBe(1);
  });

  test("a slow batch delays the next ones by a moment only", async () => {
    const gate = Promise.withResolvers<void>();
    const { batches, work } = recorded();
    const batcher = new Batcher<Write, string>(async (writes) => {
      if (writes.some(({ id }) => id === "slow")) await gate.promise;
      return await work(writes);
    }, options);
    const slow = batcher.add(write("slow"));
    expect(await Promise.all(["a", "b"].map((id) => batcher.add(write(id))))).toEqual(["a", "b"]);
    expect(batches).toEqual(["a b"]);
    gate.resolve();
    expect(await slow).toBe("slow");
  });

  test("later items overtake a blocked one; items with its key wait for it", async () => {
    const gate = Promise.withResolvers<void>();
    const { batches, work } = recorded();
    const batcher = new Batcher<Write, string>(
      async (writes, mode) => {
        if (writes[0]!.id === "blocked" && mode === "alone") await gate.promise;
        else if (writes.some(({ id }) => id === "blocked")) throw new Error("locked");
        return await work(writes);
      },
      { ...options, shouldRunAlone: () => true },
    );
    const blocked = batcher.add(write("blocked"));
    const after = batcher.add(write("blocked"));
    expect(await Promise.all([batcher.add(write("a")), batcher.add(write("b"))])).toEqual(["a", "b"]);
    expect(batches).toEqual(["a b"]);
    gate.resolve();
    await blocked;
    expect(batches).toEqual(["a b", "blocked"]);
    await after;
  });

  test("an error with unknown outcome reaches all callers of the batch, and nothing runs twice", async () => {
    const { batches, work } = recorded((ids) => {
      if (ids.length > 1) throw new Error("connection lost");
      return ids;
    });
    const batcher = new Batcher(work, { ...options, isIsolatable: () => false });
    const results = await Promise.allSettled(["x", "a", "b"].map((id) => batcher.add(write(id))));
    expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "rejected"]);
    expect(batches).toEqual(["x", "a b"]);
  });

  test("large items do not share a batch", async () => {
    const { batches, work } = recorded();
    const batcher = new Batcher(work, options);
    await Promise.all([write("x"), write("a", 900_000), write("b", 900_000)].map((one) => batcher.add(one)));
    expect(batches).toEqual(["x", "a", "b"]);
  });

  test("items beyond the queue's limit or timeout are rejected and never run", async () => {
    const gate = Promise.withResolvers<void>();
    const started: string[] = [];
    const batcher = new Batcher<Write, string>(
      async (writes) => {
        started.push(...writes.map(({ id }) => id));
        if (started.length === 1) await gate.promise;
        return writes.map(({ id }) => id);
      },
      { ...options, maxQueued: 2, timeoutMs: 20 },
    );
    const results = Promise.allSettled(["x", "a", "b", "c"].map((id) => batcher.add(write(id))));
    await Bun.sleep(30);
    gate.resolve();
    const overloaded = (message: string) => ({ status: "rejected", reason: { code: "OVERLOADED", message } });
    const late = overloaded("the request waited in the queue for more than 20 ms");
    const full = overloaded("2 requests are already queued");
    expect(await results).toMatchObject([{ status: "fulfilled" }, late, late, full]);
    expect(started).toEqual(["x"]);
  });

  test("P14: items of a part that waited too long are rejected and never run, and their keys are free", async () => {
    const gate = Promise.withResolvers<void>();
    const started: string[] = [];
    const batcher = new Batcher<Write, string>(
      async (writes, mode) => {
        const ids = writes.map(({ id }) => id);
        started.push(`${mode} ${ids.join(" ")}`);
        if (mode === "part") await gate.promise;
        else if (ids.includes("bad")) throw new Error("rejected");
        return ids;
      },
      { ...options, timeoutMs: 100 },
    );
    const results = Promise.allSettled(["x", "bad", "late"].map((id) => batcher.add(write(id))));
    const queuedMs = performance.now();
    while (performance.now() - queuedMs <= 100) await nextTurn();
    gate.resolve();
    const overloaded = { status: "rejected", reason: { code: "OVERLOADED" } };
    expect(await results).toMatchObject([{ status: "fulfilled" }, { status: "fulfilled" }, overloaded]);
    expect(started).toEqual(["batch x", "batch bad late", "part bad"]);
    expect(await batcher.add(write("late"))).toBe("late");
  });
});

describe("with submissions of several events and one unit of work at a time", () => {
  test("submissions that arrive during the work run together, next", async () => {
    const { calls, work } = manual();
    const batcher = new Batcher(work, submissions);
    const all = [batcher.add([1]), batcher.add([2, 3]), batcher.add([4])];
    expect(calls.map(({ items }) => items)).toEqual([[[1]]]);
    calls[0]!.done.resolve([]);
    await nextTurn();
    expect(calls[1]!.items).toEqual([[2, 3], [4]]);
    calls[1]!.done.resolve([]);
    await Promise.all(all);
  });

  test("a batch stays within the size limit, and a larger submission runs whole", async () => {
    const { calls, work } = manual();
    const batcher = new Batcher(work, { ...submissions, maxSize: 3 });
    const all = [batcher.add([0]), batcher.add([1, 2]), batcher.add([3, 4]), batcher.add([5, 6, 7, 8])];
    for (let i = 0; i < 4; i++) {
      calls[i]!.done.resolve([]);
      await nextTurn();
    }
    await Promise.all(all);
    expect(calls.map(({ items }) => items.flat())).toEqual([[0], [1, 2], [3, 4], [5, 6, 7, 8]]);
  });

  test("an error that one submission causes reaches that one only, and no two run at the same time", async () => {
    let running = 0;
    let maxRunning = 0;
    const batcher = new Batcher<number[], undefined>(
      async (items) => {
        maxRunning = Math.max(maxRunning, ++running);
        await nextTurn();
        running--;
        if (items.flat().includes(13)) throw new Error("13");
        return items.map(() => undefined);
      },
      { ...submissions, isIsolatable: () => true },
    );
    const results = await Promise.allSettled([batcher.add([1]), batcher.add([2]), batcher.add([13]), batcher.add([3])]);
    expect(results.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "rejected", "fulfilled"]);
    expect(maxRunning).toBe(1);
  });

  test("an error that concerns all submissions rejects all, and the next batch runs", async () => {
    let calls = 0;
    const batcher = new Batcher<number[], undefined>(async (items) => {
      calls++;
      await nextTurn();
      if (calls <= 2) throw new Error("unavailable");
      return items.map(() => undefined);
    }, submissions);
    const results = await Promise.allSettled([batcher.add([1]), batcher.add([2]), batcher.add([3])]);
    expect(results.map(({ status }) => status)).toEqual(["rejected", "rejected", "rejected"]);
    await batcher.add([4]);
    expect(calls).toBe(3);
  });
});

describe("with gathering", () => {
  const gathering = { ...options, maxQueued: 1_000, gather: { minPerSecond: 500, maxMs: 10 } };

  test("a lone item and those of a low rate start at once", async () => {
    const { batches, work } = recorded();
    const batcher = new Batcher(work, gathering);
    const results = ["a", "b", "c"].map((id) => batcher.add(write(id)));
    expect(batches).toEqual(["a"]);
    await Promise.all(results);
    expect(batches).toEqual(["a", "b c"]);
  });

  test("while many come, the oldest waits for others, and not longer than the limit", async () => {
    const { batches, work } = recorded();
    const batcher = new Batcher(work, gathering);
    await Promise.all(Array.from({ length: 300 }, (_, i) => batcher.add(write(`first-${i}`))));
    const before = batches.length;
    const start = performance.now();
    const results = [batcher.add(write("a"))];
    await Bun.sleep(1);
    results.push(batcher.add(write("b")));
    expect(batches.length).toBe(before);
    await Promise.all(results);
    expect(batches.slice(before)).toEqual(["a b"]);
    expect(performance.now() - start).toBeGreaterThan(9);
  });

  test("a full batch does not wait", async () => {
    const { batches, work } = recorded();
    const batcher = new Batcher(work, { ...gathering, maxItems: 2, gather: { minPerSecond: 1, maxMs: 60_000 } });
    const results = [batcher.add(write("a")), batcher.add(write("b"))];
    await Promise.all(results);
    expect(batches).toEqual(["a b"]);
  });
});
