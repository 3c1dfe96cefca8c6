/** The only place of the k6 scripts that names an entity's fields: replace it with your own. Documents are about 300 bytes. */

export const collection = "products";

const key = (): string => `k6-${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}`;

/** A document that every replica's filter lets through. */
export const newProduct = (): Record<string, unknown> => ({
  sku: key(),
  name: "Café especial em grãos",
  description: "Notas de chocolate e castanhas. Torra média, moído na hora.",
  price: "19.90",
  currency: "BRL",
  cost: "7.10",
  stock: 12,
  status: "active",
  tags: ["coffee", "beans"],
});

/** A merge patch that changes something each time, and leaves the product in every replica. */
export const change = (): Record<string, unknown> => ({ stock: Math.floor(Math.random() * 1_000_000) });
