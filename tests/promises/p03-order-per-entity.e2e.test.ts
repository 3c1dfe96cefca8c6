/**
 * P3: concurrent writers change the same few products by HTTP and by SQL, while readers of each replica check versions.
 */
import { expect, test } from "bun:test";
import postgres from "postgres";
import { request } from "../harness/client.ts";
import { newProduct, Reader } from "../harness/load.ts";
import { sharedStack } from "../harness/shared-stack.ts";
import { untilInStep } from "../harness/stack-checker.ts";
import { project } from "../project/index.ts";

const PRODUCTS = 5;
const WRITERS = 8;
const SECONDS = 6;

test("P3: no reader sees a version decrease while many clients write the same products concurrently", async () => {
  const stack = await sharedStack();
  const gateway = await stack.url("gateway");
  const sql = postgres(await stack.url("gateway-db"), { max: 2, onnotice: () => {} });
  const created = await Promise.all(
    Array.from({ length: PRODUCTS }, () => request("POST", `${gateway}/products`, newProduct({ status: "active" }))),
  );
  const ids = created.map(({ body }) => body.id as string);
  const readers = await Promise.all(
    project.replicaNames.map(async (name) => new Reader(name, await stack.address(name), () => ids)),
  );
  const deadline = Date.now() + SECONDS * 1_000;
  let writes = 0;
  const idAt = (n: number) => ids[n % ids.length]!;
  const httpWriter = async (n: number) => {
    for (let i = n; Date.now() < deadline; i++) {
      // Every third change can make the storefront's filter match or stop matching, so the sequence has deletes and
      // inserts.
      const change = i % 3 === 0 ? { status: i % 2 === 0 ? "active" : "draft" } : { stock: i % 1_000 };
      const { status } = await request("PATCH", `${gateway}/products/${idAt(i)}`, change);
      if (status === 200) writes++;
    }
  };
  const sqlWriter = async () => {
    for (let i = 0; Date.now() < deadline; i++) {
      await sql`update products set stock = ${i % 1_000} where id = ${idAt(i)}`;
      writes++;
    }
  };
  try {
    await Promise.all([...Array.from({ length: WRITERS }, (_, n) => httpWriter(n)), sqlWriter()]);
    await untilInStep(stack, 30_000);
    const versions = await sql<{ version: number }[]>`select version::int from products where id in ${sql(ids)}`;
    expect(versions.reduce((sum, { version }) => sum + version, 0)).toBe(writes + ids.length);
  } finally {
    for (const reader of readers) await reader.stop();
    await sql.end();
  }
  expect(writes).toBeGreaterThan(200);
  for (const { reads, violations } of readers) {
    expect(violations).toEqual([]);
    expect(reads).toBeGreaterThan(100);
  }
});
