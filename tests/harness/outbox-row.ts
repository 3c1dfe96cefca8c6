/** A row of the outbox, as the relay reads it. */
import type { OutboxRow } from "../../relay/outbox.ts";
import { product } from "../project/index.ts";

/** Returns a delete of a product as version 1, with the given members instead. */
export const outboxRow = (given: Partial<OutboxRow> = {}): OutboxRow => ({
  seq: "1",
  entity: product.name,
  id: "00000000-0000-4000-8000-000000000000",
  version: 1,
  operation: "deleted",
  data: null,
  bytes: 0,
  traceparent: null,
  transaction: "7",
  actor: null,
  digest: null,
  resend: null,
  time: "2026-01-01T00:00:00.000000Z",
  ...given,
});
