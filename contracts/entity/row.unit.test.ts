import { expect, test } from "bun:test";
import { project } from "../../tests/project/index.ts";
import { exampleForReplica, exampleInput } from "./example.ts";
import { documentOf, orderMembers, rowOf } from "./row.ts";

const replicas = project.entities.flatMap((entity) =>
  entity.replicas.map((replica) => ({ name: `${entity.name} in ${replica.name}`, entity, replica })),
);

test.each(replicas)("$name: an ordered document of an event equals the document of its row, byte for byte", (of) => {
  const { replica } = of;
  const example = exampleForReplica(of.entity, of.replica)!;
  const member = "sku" in example ? "sku" : Object.keys(example)[0]!;
  const { [member]: _, ...incomplete } = Object.fromEntries(Object.entries(example).reverse());
  for (const document of [example, incomplete, { ...example, undeclared: 1 }])
    expect(JSON.stringify(orderMembers(replica, document))).toBe(
      JSON.stringify(documentOf(replica, rowOf(replica, document))),
    );
});

test("an example gets a suffix in its unique texts, so that it can be sent more than once", () => {
  const [product] = project.entities;
  expect(exampleInput(product!, "7")).toEqual({ ...product!.example, sku: "cup-7" });
});
