import { expect, test } from "bun:test";
import { request } from "../tests/harness/client.ts";
import { type TestGateway, testGateway } from "../tests/harness/gateway.ts";
import { newProduct } from "../tests/harness/load.ts";

/** Creates a product and sets its version without the triggers, as a restore or an administrator can. */
async function productAt(gateway: TestGateway, version: string): Promise<string> {
  const { body } = await request("POST", `${gateway.url}/products`, newProduct());
  await gateway.sql.unsafe(`alter table products disable trigger "~lockstep_stamp";
    update products set version = ${version} where id = '${body.id}';
    alter table products enable always trigger "~lockstep_stamp"`);
  return `${gateway.url}/products/${body.id}`;
}

test("versions above 2^31 are exact in documents, entity tags and conditions", async () => {
  await using gateway = await testGateway();
  const url = await productAt(gateway, "9007199254740988");
  expect((await request("GET", url)).body.version).toBe(9007199254740988);
  const refused = await request("PATCH", url, { stock: 1 }, { "if-match": '"9007199254740987"' });
  expect(refused.status).toBe(412);
  const changed = await request("PATCH", url, { stock: 1 }, { "if-match": '"9007199254740988"' });
  expect([changed.status, changed.headers.get("etag")]).toEqual([200, '"9007199254740989"']);
  const deleted = await request("DELETE", url);
  expect([deleted.status, deleted.headers.get("etag")]).toEqual([204, '"9007199254740990"']);
});

test("a version without an exact JSON number is refused, the row stays as it is, and lists go on without it", async () => {
  await using gateway = await testGateway();
  for (const version of ["9007199254740991", "9007199254740993"]) {
    const url = await productAt(gateway, version);
    for (const [method, body] of [
      ["PATCH", { stock: 1 }],
      ["DELETE", undefined],
    ] as const) {
      const { status, body: problem } = await request(method, url, body);
      expect([method, status]).toEqual([method, 500]);
      expect(problem.detail).toContain("at or above 9007199254740991, the largest that can be sent exactly");
    }
    expect((await request("GET", url)).status).toBe(version === "9007199254740991" ? 200 : 500);
    const [row] = await gateway.sql<
      { version: string }[]
    >`select version from products order by created_at desc limit 1`;
    expect(row!.version).toBe(version);
  }
  const list = await request("GET", `${gateway.url}/products`);
  expect(list.status).toBe(200);
  expect((list.body.items as { version: number }[]).map(({ version }) => version)).toEqual([9007199254740991]);
});
