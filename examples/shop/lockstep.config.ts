/** The example project: a shop with one entity and two replicas. */
import { defineProject } from "lockstep";
import { product } from "./product.ts";

export default defineProject({ entities: [product], migrations: new URL("./migrations/", import.meta.url) });
