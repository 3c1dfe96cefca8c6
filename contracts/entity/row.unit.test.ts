import { expect, test } from "bun:test";
import { entities } from "../entities/index.ts";
import { exampleIn, exampleInput } from "./example.ts";
import { documentOf, inOrder, rowOf } from "./row.ts";

const kept = entities.flatMap((entity) =>
  entity.replicas.map((replica) => ({ name: `${entity.name} in ${replica.name}`, entity, replica })),
);

test.each(kept)("$name: the document of an event, put in order, is the one that its row gives, to the byte", (of) => {
  const { fields } = of.replica;
  const example = exampleIn(of.entity, of.replica)!;
  const [member] = Object.keys(fields) as [string];
  const { [member]: _, ...lacking } = Object.fromEntries(Object.entries(example).reverse());
  for (const document of [example, lacking, { ...example, undeclared: 1 }])
    expect(JSON.stringify(inOrder(fields, document))).toBe(JSON.stringify(documentOf(fields, rowOf(document))));
});

test("an example that is sent more than once has values of its own where no two may share one", () => {
  const [product] = entities;
  expect(exampleInput(product!, "7")).toEqual({ ...product!.example, sku: "cup-7" });
});
