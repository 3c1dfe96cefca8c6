/**
 * The conformance suite of the log seam: real brokers, real faults. It also runs kafkajs' own producer through the rows that
 * it is known to fail, to prove that the suite can see a loss.
 */
import { afterAll, beforeAll, describe } from "bun:test";
import { epochRows } from "./rows-epochs.ts";
import { fencingRows } from "./rows-fencing.ts";
import { idleRows } from "./rows-idle.ts";
import { loadRows } from "./rows-load.ts";
import { lostAnswerRows, publishedLosesRow } from "./rows-lost-answers.ts";
import { fencings, type Suite, startSuite } from "./suite.ts";
import { printTable } from "./table.ts";

describe("three brokers", () => {
  let suite: Suite;
  beforeAll(async () => {
    suite = await startSuite();
  }, 120_000);
  afterAll(async () => {
    await suite?.stop();
  }, 60_000);

  for (const fencing of fencings)
    describe(`writers by ${fencing}`, () => {
      fencingRows(() => suite, fencing);
      lostAnswerRows(() => suite, fencing);
    });
  epochRows(() => suite);
  publishedLosesRow(() => suite);
  loadRows(() => suite);
});

describe("one broker with a short memory", idleRows);

afterAll(printTable);
