/** The entity that the k6 scripts write: the only file with its fields. Replace it with your own. */

/** Path of the collection. */
export const collection = "products";

const uniqueSku = (): string => `k6-${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}`;

/** A document of about 300 bytes that matches the filter of every replica. */
export const newProduct = (): Record<string, unknown> => ({
  sku: uniqueSku(),
  name: "Café especial em grãos",
  description: "Notas de chocolate e castanhas. Torra média, moído na hora.",
  price: "19.90",
  currency: "BRL",
  cost: "7.10",
  stock: 12,
  status: "active",
  tags: ["coffee", "beans"],
});

/** A merge patch with a different value each time. The product still matches the filter of every replica. */
export const change = (): Record<string, unknown> => ({ stock: Math.floor(Math.random() * 1_000_000) });
