/** The products of the simulation. Every value follows from id, version and status, so that any content can be checked. */
import type { EntityId, Version } from "../../contracts/entity/document.ts";

/** What a write does to a product. `large`: an active product that no broker accepts. */
export type Change = "draft" | "active" | "deleted" | "large";

const AT = "2026-01-01T00:00:00.000Z";

/** A row of the source, as `to_jsonb` gives it. */
export const productColumns = (id: EntityId, version: Version, change: Exclude<Change, "deleted">): object => ({
  id,
  sku: `sku-${id.slice(0, 8)}`,
  name: `version ${version}`,
  description: change === "large" ? "x".repeat(2_500) : "",
  price: "19.90",
  currency: "BRL",
  cost: "7.10",
  stock: version,
  status: change === "draft" ? "draft" : "active",
  tags: [],
  created_at: AT,
  updated_at: AT,
  version,
});

/** Whether a replica has a product after this change. */
export const isPresent = (change: Change | undefined, replica: string): boolean =>
  change === "active" || (change === "draft" && replica === "catalog");
