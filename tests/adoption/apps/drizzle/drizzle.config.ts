/** Settings of drizzle-kit, which wrote the folder `migrations` from `schema.ts`: `drizzle-kit generate`. */
export default { dialect: "postgresql", schema: "./schema.ts", out: "./migrations", schemaFilter: ["library"] };
