/** The example project: a shop with products, categories, customers and orders, and three replicas. */
import { defineProject } from "lockstep";
import { category } from "./category.ts";
import { customer } from "./customer.ts";
import { order } from "./order.ts";
import { product } from "./product.ts";

export default defineProject({
  entities: [product, category, customer, order],
  migrations: new URL("./migrations/", import.meta.url),
});
