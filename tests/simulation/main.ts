/** `bun run simulate`: runs seeds of the simulation. Ends with 1 when one of them broke a promise. */
import "./globals.ts";

// The modules of the product must find the replaced clocks and timers, so they are imported after those.
const { simulate } = await import("./simulate.ts");
simulate();
