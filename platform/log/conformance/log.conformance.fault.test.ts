/**
 * The conformance suite of the log seam: real brokers, real faults. It also runs kafkajs' own producer through the rows that
 * it is known to fail, to prove that the suite can see a loss.
 */
import { afterAll, beforeAll } from "bun:test";
import { loadRows } from "./rows-load.ts";
import { type Suite, startSuite } from "./suite.ts";
import { printTable } from "./table.ts";

let suite: Suite;
beforeAll(async () => {
  suite = await startSuite();
}, 120_000);
afterAll(async () => {
  await suite?.stop();
  printTable();
}, 60_000);

loadRows(() => suite);
