/** The recovery drill with a dump, which needs PostgreSQL's client programs. */
import { setDefaultTimeout, test } from "bun:test";
import { postgresClients } from "../harness/postgres-clients.ts";
import { Stack } from "../harness/stack.ts";
import { carryOut, drills, ENV } from "./carry-out.ts";

setDefaultTimeout(240_000);

for (const drill of drills.filter(({ needs }) => needs === "dump"))
  test(`drill: ${drill.title}`, async () => {
    const clients = await postgresClients();
    await using stack = await Stack.start({ env: ENV });
    await carryOut(stack, drill, clients);
  });
