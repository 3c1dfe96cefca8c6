/** The result of each row for each client, printed at the end of the suite. */
import type { Fencing } from "./suite.ts";

/** A client that rows run with. */
export type Client = `seam, ${Fencing}` | "kafkajs as published";

interface Result {
  readonly row: string;
  readonly client: Client;
  readonly passed: boolean;
  readonly details: string;
}

const results: Result[] = [];

/** Adds a line to the table. */
export function recordResult(row: string, client: Client, passed: boolean, details: string): void {
  results.push({ row, client, passed, details });
}

/** Prints the table. */
export function printTable(): void {
  const width = Math.max(...results.map(({ row }) => row.length));
  const lines = results.map(
    ({ row, client, passed, details }) =>
      `${row.padEnd(width)}  ${client.padEnd(20)}  ${passed ? "passes" : "FAILS "}  ${details}`,
  );
  console.log(`\nConformance of the log seam, ${new Date().toISOString().slice(0, 10)}\n${lines.join("\n")}\n`);
}
