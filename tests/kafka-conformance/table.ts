/** Which client passes which row, printed at the end of the suite. */
import type { Fencing } from "./suite.ts";

export type Client = `seam, ${Fencing}` | "kafkajs as published";

interface Entry {
  readonly row: string;
  readonly client: Client;
  readonly passed: boolean;
  readonly seen: string;
}

const entries: Entry[] = [];

export function recordResult(row: string, client: Client, passed: boolean, seen: string): void {
  entries.push({ row, client, passed, seen });
}

export function printTable(): void {
  const width = Math.max(...entries.map(({ row }) => row.length));
  const lines = entries.map(
    ({ row, client, passed, seen }) =>
      `${row.padEnd(width)}  ${client.padEnd(20)}  ${passed ? "passes" : "FAILS "}  ${seen}`,
  );
  console.log(`\nThe log seam's conformance, ${new Date().toISOString().slice(0, 10)}\n${lines.join("\n")}\n`);
}
