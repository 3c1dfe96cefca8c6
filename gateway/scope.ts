/** The scope that a token needs for a request to the gateway. */
import type { Scope } from "../contracts/scopes.ts";

const READ_METHODS = ["GET", "HEAD", "OPTIONS"];

/** @param method HTTP method in capitals. An unknown method counts as a write. */
export const scopeOf = (method: string): Scope => (READ_METHODS.includes(method) ? "lockstep:read" : "lockstep:write");
