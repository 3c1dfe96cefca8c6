/** The scopes of a token. */

/**
 * Every scope.
 *
 * - `lockstep:read`: read from the gateway, private fields included.
 * - `lockstep:write`: write at the gateway.
 * - `lockstep:operate`: use the console, its actions included.
 */
export const scopes = ["lockstep:read", "lockstep:write", "lockstep:operate"] as const;
/** One of {@link scopes}. */
export type Scope = (typeof scopes)[number];
