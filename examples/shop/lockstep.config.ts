/** The example project: a shop with one entity and two replicas. */
import { defineProject } from "../../contracts/project.ts";
import { product } from "./product.ts";

export default defineProject({ entities: [product], folder: import.meta.dirname });
