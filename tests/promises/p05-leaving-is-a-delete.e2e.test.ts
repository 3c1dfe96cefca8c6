import { expect, test } from "bun:test";
import postgres from "postgres";
import { request, untilGone, untilVisible } from "../harness/client.ts";
import { newProduct } from "../harness/load.ts";
import { sharedStack } from "../harness/shared-stack.ts";

test("each replica gets its projection: catalog without cost, storefront with inStock instead of stock", async () => {
  const stack = await sharedStack();
  const [gateway, catalog, storefront] = await Promise.all(
    ["gateway", "catalog", "storefront"].map((n) => stack.url(n)),
  );
  const created = await request("POST", `${gateway}/products`, newProduct({ status: "active", stock: 3 }));
  expect(created.status).toBe(201);
  const { cost: _, ...catalogDocument } = created.body;
  const { stock: __, ...storefrontDocument } = catalogDocument;
  const id = created.body.id as string;
  expect((await untilVisible(catalog!, id, 1)).body).toEqual(catalogDocument);
  const response = await untilVisible(storefront!, id, 1);
  expect(response.body).toEqual({ ...storefrontDocument, inStock: true });
  expect(response.headers.get("etag")).toBe('"1"');
  expect(response.headers.get("cache-status")).toBeTruthy();
  expect(Number(response.headers.get("lockstep-lag"))).toBeGreaterThanOrEqual(0);
});

test("P5: the storefront deletes a product that is not active, and gets it back in its newest state", async () => {
  const stack = await sharedStack();
  const [gateway, catalog, storefront] = await Promise.all(
    ["gateway", "catalog", "storefront"].map((n) => stack.url(n)),
  );
  const created = await request("POST", `${gateway}/products`, newProduct({ status: "active", name: "first" }));
  const id = created.body.id as string;
  await untilVisible(storefront!, id, 1);
  await request("PATCH", `${gateway}/products/${id}`, { status: "archived" });
  await untilGone(storefront!, id);
  await untilVisible(catalog!, id, 2);
  await request("PATCH", `${gateway}/products/${id}`, { name: "second" });
  await untilVisible(catalog!, id, 3);
  expect((await request("GET", `${storefront}/products/${id}`)).status).toBe(404);
  await request("PATCH", `${gateway}/products/${id}`, { status: "active" });
  expect((await untilVisible(storefront!, id, 4)).body).toMatchObject({ name: "second", version: 4 });
});

test("P1: changes by plain SQL, also of many rows at once, reach the replicas like changes over HTTP", async () => {
  const stack = await sharedStack();
  const [catalog, storefront, url] = await Promise.all(
    ["catalog", "storefront", "gateway-db"].map((n) => stack.url(n)),
  );
  const sql = postgres(url!, { max: 1, onnotice: () => {} });
  try {
    const prefix = `sql-${Bun.randomUUIDv7()}`;
    const rows = await sql<{ id: string }[]>`
      insert into products (sku, name, price, status)
      select ${prefix} || n, 'by SQL', 1.50, 'active' from generate_series(1, 50) n returning id`;
    for (const { id } of rows) await untilVisible(storefront!, id, 1);
    await sql`update products set price = 2.00 where sku like ${`${prefix}%`}`;
    for (const { id } of rows) expect((await untilVisible(catalog!, id, 2)).body.price).toBe("2.00");
    await sql`delete from products where sku like ${`${prefix}%`}`;
    for (const { id } of rows) await untilGone(catalog!, id);
  } finally {
    await sql.end();
  }
});
