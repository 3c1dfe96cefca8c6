/** Serves the page's files. Its content security policy permits only files and requests of this console. */
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
  // The files are small and change with each release: the browser revalidates them by their ETag.
  "cache-control": "no-cache",
} as const;

const contentTypes: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  css: "text/css; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  svg: "image/svg+xml",
};

/** Adds `GET /` and one route for each file. */
export function addPage(app: Hono): void {
  for (const [path, text] of Object.entries(assets)) {
    const etag = `"${Bun.hash(text).toString(36)}"`;
    const type = contentTypes[path.slice(path.lastIndexOf(".") + 1)]!;
    const respond = (c: Context) =>
      c.req.header("if-none-match") === etag
        ? c.body(null, 304, { etag, ...HEADERS })
        : c.body(text, 200, { etag, "content-type": type, ...HEADERS });
    app.get(path === "/index.html" ? "/" : path, respond);
  }
}
