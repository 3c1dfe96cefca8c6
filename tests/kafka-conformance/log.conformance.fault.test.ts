/**
 * The conformance suite of the log seam: real brokers and real faults. kafkajs' own producer runs through some rows
 * too, to show that the suite detects a loss.
 */
import { afterAll, beforeAll, describe } from "bun:test";
import { epochRow } from "./epoch-rows.ts";
import { fencingRows } from "./fencing-rows.ts";
import { idleRow } from "./idle-rows.ts";
import { loadRows } from "./load-rows.ts";
import { kafkajsLosesRow, lostResponseRows } from "./lost-response-rows.ts";
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
    describe(`writers with ${fencing}`, () => {
      fencingRows(() => suite, fencing);
      lostResponseRows(() => suite, fencing);
    });
  epochRow(() => suite);
  kafkajsLosesRow(() => suite);
  loadRows(() => suite);
});

describe("one broker that forgets idle writers after a second", idleRow);

afterAll(printTable);
