import { expect, test } from "bun:test";
import { sendSpans } from "./send-spans.ts";

test("a batch of which nothing is heard counts as failed when its time is up, and what is heard then is too late", async () => {
  let answer: (result: { code: number }) => void = () => {};
  const exporter = {
    export(_: unknown, done: typeof answer) {
      answer = done;
    },
  };
  const sent = await sendSpans(exporter, [], 10);
  expect(sent).toEqual({ outcome: "failed", error: new Error("no response within 10 ms") });
  answer({ code: 0 });
  expect((await sendSpans({ export: (_, done) => done({ code: 0 }) }, [], 10)).outcome).toBe("accepted");
});
