/** The project of the tests. It is independent of examples/, which may change or disappear. */
import { defineProject } from "lockstep";
import { product } from "./product.ts";

export default defineProject({ entities: [product], migrations: new URL("./migrations/", import.meta.url) });
