import { expect, spyOn, test } from "bun:test";
import { RelayState } from "./checks.ts";

const presentIn = (state: RelayState) =>
  state.checks().flatMap(({ condition, blocksReadiness, problem }) => {
    const text = problem();
    return text === undefined ? [] : [`${condition}${blocksReadiness ? "*" : ""}: ${text}`];
  });
const depth = { depth: 0, oldestAgeSeconds: 0, setAside: {} };

test("a starting relay is not ready, and says what it waits for", () => {
  const state = new RelayState();
  expect(presentIn(state)).toEqual(["source-unavailable*: the source's PostgreSQL is not connected yet"]);
  state.connecting = "log";
  expect(presentIn(state)).toEqual(["log-unavailable*: the brokers are not connected yet"]);
  state.connecting = undefined;
  expect(presentIn(state)).toEqual([]);
});

test("a leading relay reports a stalled outbox, rows that are set aside and a silent log, and stays ready", () => {
  const state = new RelayState();
  state.connecting = undefined;
  state.logProblem = () => "the brokers have not responded for 4 s";
  state.readDepth({ depth: 7, oldestAgeSeconds: 12.3, setAside: { "record-too-large": 2, "missing-column": 1 } });
  expect(presentIn(state)).toEqual([
    "log-unavailable: the brokers have not responded for 4 s",
    "outbox-stalled: 7 changes are pending, the oldest for 12 s",
    "rows-set-aside: changes of entities that cannot be sent: 2 record-too-large, 1 missing-column",
  ]);
  state.logProblem = () => undefined;
  state.readDepth(depth);
  expect(presentIn(state)).toEqual([]);
});

test("a source that has not responded for 5 s makes a leading relay not ready", () => {
  const state = new RelayState();
  state.connecting = undefined;
  state.readDepth(depth);
  const now = performance.now();
  using clock = spyOn(performance, "now").mockReturnValue(now + 6_000);
  expect(presentIn(state)).toEqual(["source-unavailable*: the source's PostgreSQL has not responded for 6 s"]);
  clock.mockReturnValue(now);
  expect(presentIn(state)).toEqual([]);
});
