/** A category of products. Its key is a slug, which is part of a page's URL. */
import { defineEntity, type Infer, integer, pgTable, text } from "lockstep";

export const categories = pgTable("categories", {
  slug: text().primaryKey(),
  name: text().notNull(),
  /** Slug of the category above; null at the top. */
  parent: text(),
  position: integer().notNull().default(0),
});

/** The categories of the shop. Their versions are beside the table: no column is Lockstep's. */
export const category = defineEntity(categories, {
  name: "category",
  rules: {
    slug: (slug) =>
      slug
        .min(1)
        .max(60)
        .regex(/^[a-z0-9-]+$/),
    name: (name) => name.min(1).max(200),
    position: (position) => position.min(0),
  },
  example: { slug: "kitchen", name: "Kitchen" },
  replicas: { catalog: {}, storefront: { omit: ["position"] } },
});

export type Category = Infer<typeof category>;
