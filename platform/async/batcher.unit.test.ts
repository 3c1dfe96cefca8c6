/** Which writes share a statement, and what each caller is told. */
import { expect, test } from "bun:test";
import { Together, type Write } from "./batcher.ts";

const write = (id: string, bytes = 10): Write => ({ id, bytes });
const bounds = { lanes: 1, aside: 1, max: 5, timeoutMs: 1_000 };

/** Statements as they are sent; each is answered by `answer`, with its ids by default. */
function recorded(answer: (ids: readonly string[]) => readonly string[] = (ids) => ids) {
  const statements: string[] = [];
  const work = async (writes: readonly Write[]) => {
    const ids = writes.map(({ id }) => id);
    statements.push(ids.join(" "));
    await Promise.resolve();
    return answer(ids);
  };
  return { statements, work };
}

test("the first goes at once, and who comes meanwhile goes together, in the order of ids", async () => {
  const { statements, work } = recorded();
  const together = new Together(work, () => true, bounds);
  expect(await Promise.all(["c", "b", "a"].map((id) => together.add(write(id))))).toEqual(["c", "b", "a"]);
  expect(statements).toEqual(["c", "a b"]);
});

test("a statement changes an entity once, and the second change comes after the first", async () => {
  const { statements, work } = recorded();
  const together = new Together(work, () => true, bounds);
  await Promise.all(["x", "a", "a", "b", "a"].map((id) => together.add(write(id))));
  expect(statements).toEqual(["x", "a b", "a", "a"]);
});

test("what is wrong with one is told to that one only", async () => {
  const { statements, work } = recorded((ids) => {
    if (ids.includes("bad")) throw new Error("taken");
    return ids;
  });
  const together = new Together(work, (error) => (error as Error).message === "taken", bounds);
  const told = await Promise.allSettled(["x", "bad", "good"].map((id) => together.add(write(id))));
  expect(told.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  expect(statements).toEqual(["x", "bad good", "bad", "good"]);
});

test("one that is held up is passed by, also by later writes; those of the same entity wait for it", async () => {
  const gate = Promise.withResolvers<void>();
  const { statements, work } = recorded();
  const together = new Together<Write, string>(
    async (writes, patient) => {
      if (writes[0]!.id === "held" && patient) await gate.promise;
      else if (writes.some(({ id }) => id === "held") && !patient) throw new Error("locked");
      return await work(writes);
    },
    () => true,
    bounds,
  );
  const held = together.add(write("held"));
  const after = together.add(write("held"));
  expect(await Promise.all([together.add(write("a")), together.add(write("b"))])).toEqual(["a", "b"]);
  expect(statements).toEqual(["a b"]);
  gate.resolve();
  await held;
  expect(statements).toEqual(["a b", "held"]);
  await after;
});

test("an answer that was lost is lost for all, and nothing is sent twice", async () => {
  const { statements, work } = recorded((ids) => {
    if (ids.length > 1) throw new Error("connection lost");
    return ids;
  });
  const together = new Together(work, () => false, bounds);
  const told = await Promise.allSettled(["x", "a", "b"].map((id) => together.add(write(id))));
  expect(told.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "rejected"]);
  expect(statements).toEqual(["x", "a b"]);
});

test("large writes do not share a statement", async () => {
  const { statements, work } = recorded();
  const together = new Together(work, () => true, bounds);
  await Promise.all([write("x"), write("a", 900_000), write("b", 900_000)].map((one) => together.add(one)));
  expect(statements).toEqual(["x", "a", "b"]);
});

test("more than may wait are refused, and so is who waited too long: nothing of these was sent", async () => {
  const gate = Promise.withResolvers<void>();
  const sent: string[] = [];
  const together = new Together<Write, string>(
    async (writes) => {
      sent.push(...writes.map(({ id }) => id));
      if (sent.length === 1) await gate.promise;
      return writes.map(({ id }) => id);
    },
    () => true,
    { ...bounds, max: 2, timeoutMs: 20 },
  );
  const told = Promise.allSettled(["x", "a", "b", "c"].map((id) => together.add(write(id))));
  await Bun.sleep(30);
  gate.resolve();
  const refused = { status: "rejected", reason: { name: "DatabaseUnavailableError", sent: false } };
  expect(await told).toMatchObject([{ status: "fulfilled" }, refused, refused, refused]);
  expect(sent).toEqual(["x"]);
});
