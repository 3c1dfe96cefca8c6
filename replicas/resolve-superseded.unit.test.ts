import { expect, test } from "bun:test";
import { OpenDeadLetters } from "../pipeline/open-dead-letters.ts";
import { deadLetterRecord } from "../tests/harness/dead-letters.ts";
import { product } from "../tests/project/index.ts";
import { resolveSuperseded } from "./resolve-superseded.ts";

test("a dead letter is marked as superseded when its entity has that version; a rejected resend, when it has a newer one", async () => {
  const open = new OpenDeadLetters();
  const [a, b, c, d] = ["a", "b", "c", "d"].map((digit) => `${digit.repeat(8)}-0000-4000-8000-000000000000`);
  open.add(deadLetterRecord(0, 0, { id: a!, version: 3, replica: "catalog" }));
  open.add(deadLetterRecord(1, 1, { id: b!, version: 3, replica: "catalog" }));
  open.add(deadLetterRecord(2, 2, { id: c!, version: 3, replica: "catalog", resend: true }));
  open.add(deadLetterRecord(3, 3, { id: d!, version: 3, replica: "catalog", partition: 1 }));
  const versions = new Map([a, b, c, d].map((id, i) => [id!, [3, 2, 3, 9][i]!]));
  const marked: string[] = [];
  const deadLetters = {
    async write(_: unknown, partition: number, marks: readonly { headers: object }[]) {
      for (const { headers } of marks) marked.push(`${partition} ${Object.values(headers).join(" ")}`);
    },
  };
  const behind = async (required: readonly { id: string; version: number }[]) =>
    required.filter(({ id, version }) => (versions.get(id) ?? 0) < version);
  const resolve = () =>
    resolveSuperseded(deadLetters, open, { entity: product, behind, isOwned: (partition) => partition === 0 });
  await resolve();
  expect(marked).toHaveLength(1);
  expect(marked[0]).toMatch(/^0 superseded \d+ products.to.catalog 0 0$/);
  versions.set(c!, 4);
  await resolve();
  expect(marked.map((mark) => mark.split(" ").at(-1))).toEqual(["0", "2"]);
  expect(open.count(() => true)).toBe(2);
});
