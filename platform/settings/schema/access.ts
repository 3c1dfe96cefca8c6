/** Settings: authentication and authorization. */
import { z } from "zod";
import { setting, text, url } from "./setting.ts";

/** Tokens of clients. */
export const access = {
  LOCKSTEP_AUTH: setting(
    z.enum(["jwt", "off"], { error: "must be jwt or off" }).optional(),
    "jwt: gateway and console require a bearer token of LOCKSTEP_AUTH_ISSUER. off: everyone who can reach them may do everything. " +
      "Not set: as off, but only on an address that other machines cannot reach",
  ),
  LOCKSTEP_AUTH_ISSUER: setting(text(), "Issuer of the tokens: required value of their claim iss"),
  LOCKSTEP_AUTH_AUDIENCE: setting(
    z.string().min(1).default("lockstep"),
    "Audience of the tokens: required value in their claim aud",
  ),
  LOCKSTEP_AUTH_JWKS: setting(
    url(/^(https?|file)$/, "https://issuer/jwks.json or file:///folder/jwks.json"),
    "URL of the issuer's public keys, as a JWK set (RFC 7517)",
  ),
  LOCKSTEP_TOKEN: setting(
    text(),
    "Token that bun run up, bench and load send to a gateway with LOCKSTEP_AUTH=jwt",
    true,
  ),
} as const;
