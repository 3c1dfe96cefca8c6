/** The products of the simulation. Every value follows from id, version and status, so that any content can be checked. */
import { product } from "../../contracts/entities/product.ts";
import type { Document, EntityId, Version } from "../../contracts/entity/document.ts";
import { documentOf } from "../../contracts/entity/row.ts";

export type ProductStatus = "draft" | "active";

const AT = "2026-01-01T00:00:00.000Z";

/** A row of the source, as `to_jsonb` gives it. @param isLarge makes it larger than a broker accepts. */
export const productColumns = (id: EntityId, version: Version, status: ProductStatus, isLarge = false): object => ({
  id,
  sku: `sku-${id.slice(0, 8)}`,
  name: `version ${version}`,
  description: isLarge ? "x".repeat(2_500) : "",
  price: "19.90",
  currency: "BRL",
  cost: "7.10",
  stock: version,
  status,
  tags: [],
  created_at: AT,
  updated_at: AT,
  version,
});

/** The document of the same row. */
export const productDocument = (id: EntityId, version: Version, status: ProductStatus): Document =>
  documentOf(product.fields, productColumns(id, version, status) as Record<string, unknown>);
