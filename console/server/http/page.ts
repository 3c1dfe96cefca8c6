/** Serves the page. It runs nothing that is not a file of its own, and asks nobody but this console. */
import type { Context, Hono } from "hono";
import { assets } from "./assets.ts";

const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join("; ");

const HEADERS = {
  "content-security-policy": POLICY,
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
  // Small, and new with each version of the program: asked for each time, sent when it has changed.
  "cache-control": "no-cache",
} as const;

const types: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  css: "text/css; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  svg: "image/svg+xml",
};

/** `GET /` and a path for each file. */
export function addPage(app: Hono): void {
  for (const [path, text] of Object.entries(assets)) {
    const etag = `"${Bun.hash(text).toString(36)}"`;
    const type = types[path.slice(path.lastIndexOf(".") + 1)]!;
    const answer = (c: Context) =>
      c.req.header("if-none-match") === etag
        ? c.body(null, 304, { etag, ...HEADERS })
        : c.body(text, 200, { etag, "content-type": type, ...HEADERS });
    app.get(path === "/index.html" ? "/" : path, answer);
  }
}
