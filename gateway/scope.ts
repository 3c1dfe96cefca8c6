/** What a token must allow for a request to the gateway. */
import type { Scope } from "../contracts/scopes.ts";

const READING = ["GET", "HEAD", "OPTIONS"];

/** @param method of HTTP; what none of the reading ones is, counts as a write. */
export const scopeOf = (method: string): Scope => (READING.includes(method) ? "lockstep:read" : "lockstep:write");
