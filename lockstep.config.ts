/** The project that `bun run up` and the other commands use by default. Replace it with your own. */
export { default } from "./examples/shop/lockstep.config.ts";
