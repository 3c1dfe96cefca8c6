/** What a token may allow. */

/** Read what the gateway shows, private fields among it; write there; see and do all that the console can. */
export const scopes = ["lockstep:read", "lockstep:write", "lockstep:operate"] as const;
export type Scope = (typeof scopes)[number];
