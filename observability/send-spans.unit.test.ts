import { expect, test } from "bun:test";
import { sendSpans } from "./send-spans.ts";

test("a batch without a response fails after its timeout, and a later response is ignored", async () => {
  let respond: (result: { code: number }) => void = () => {};
  const exporter = {
    export(_: unknown, done: typeof respond) {
      respond = done;
    },
  };
  const sent = await sendSpans(exporter, [], 10);
  expect(sent).toEqual({ outcome: "failed", error: new Error("no response within 10 ms") });
  respond({ code: 0 });
  expect((await sendSpans({ export: (_, done) => done({ code: 0 }) }, [], 10)).outcome).toBe("accepted");
});
