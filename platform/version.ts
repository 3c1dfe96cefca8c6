/** The version of Lockstep, as the package says it. */
import manifest from "../package.json" with { type: "json" };

export const VERSION: string = manifest.version;
