import { expect, test } from "bun:test";
import { topicIdsRequest } from "./topic-ids-request.ts";

test("P10: a response that is cut off is not taken for one without topics", () => {
  const { decode } = topicIdsRequest(["t"]).response;
  for (const length of [0, 3, 5, 6]) expect(() => decode(Buffer.alloc(length))).toThrow("ends too early");
  // No tags, throttle time, no brokers, no cluster id, controller, no topics.
  expect(decode(Buffer.from([0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1]))).toEqual([]);
});
