/** The documentation is reachable, its links lead somewhere, and each room's README covers the room. */
import { expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";

const root = join(import.meta.dir, "..");
const MAX_README_LINES = 120;
const MAX_COLUMNS = 120;
const rooms = [
  ...["contracts", "gateway", "relay", "stream", "replicas", "pipeline", "operations", "console"],
  ...["kafka", "platform", "observability", "stack", "init", "load-tests", "chaos", "tests"],
];

const read = (path: string): string => readFileSync(join(root, path), "utf8");
const pages = [...new Bun.Glob("**/*.md").scanSync({ cwd: root })].filter((path) => !path.includes("node_modules/"));

/** Headings of a page as GitHub makes anchors of them. */
const anchorsOf = (page: string): Set<string> =>
  new Set(
    [...read(page).matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
      heading!
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, "")
        .replaceAll(" ", "-"),
    ),
  );

interface Link {
  readonly from: string;
  /** Path from the root; a folder's README for a folder that has one. */
  readonly to: string;
  readonly anchor: string | undefined;
}

function linksOf(page: string): Link[] {
  return [...read(page).matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target]) => target!)
    .filter((target) => !/^(https?:|mailto:)/.test(target))
    .map((target) => {
      const [path = "", anchor] = target.split("#");
      const to = path === "" ? page : normalize(join(dirname(page), path)).replace(/\/$/, "");
      const readme = join(to, "README.md");
      return { from: page, to: existsSync(join(root, readme)) ? readme : to, anchor };
    });
}

/** True for a link to the example, in a repository that has removed it. */
const isRemovedExample = ({ to }: { readonly to: string }) =>
  to.split("/")[0] === "examples" && !existsSync(join(root, "examples"));

test("every relative link leads to a file, and every anchor to a heading", () => {
  const broken = pages
    .flatMap(linksOf)
    .filter((link) => !isRemovedExample(link))
    .filter(
      ({ to, anchor }) => !existsSync(join(root, to)) || (anchor && to.endsWith(".md") && !anchorsOf(to).has(anchor)),
    )
    .map(({ from, to, anchor }) => `${from}: ${to}${anchor ? `#${anchor}` : ""}`);
  expect(broken).toEqual([]);
});

test("every page is reachable from README.md in two clicks", () => {
  const first = linksOf("README.md").map(({ to }) => to);
  const second = first.filter((page) => page.endsWith(".md")).flatMap((page) => linksOf(page).map(({ to }) => to));
  const reached = new Set(["README.md", ...first, ...second]);
  // A folder without a README of its own, such as docs/decisions, shows its pages.
  const isReached = (page: string) => reached.has(page) || reached.has(dirname(page));
  expect(pages.filter((page) => !isReached(page))).toEqual([]);
});

test("README.md fits on a page, and lines of text end at 120 columns", () => {
  expect(read("README.md").trimEnd().split("\n").length).toBeLessThanOrEqual(MAX_README_LINES);
  const long = pages.flatMap((page) =>
    read(page)
      .replace(/```[\s\S]*?```/g, (block) => block.replace(/[^\n]/g, ""))
      .split("\n")
      .map((line, i) => ({ line, at: `${page}:${i + 1}` }))
      // Tables and links cannot be broken.
      .filter(
        ({ line }) => line.length > MAX_COLUMNS && !line.startsWith("|") && !/\]\(|^\s*(<|\[|!|curl| {4})/.test(line),
      )
      .map(({ at }) => at),
  );
  expect(long).toEqual([]);
});

test.each(rooms)("the README of %s opens with its input and output and names all its files", (room) => {
  const readme = `${room}/README.md`;
  const text = read(readme);
  expect(text).toMatch(/^# .+\n+\*?in\b.*·.*\bout\b/i);
  expect(filesWithout(room, text)).toEqual([]);
});

/**
 * Files and folders below `folder` that `text` does not name. A folder that has a README of its own, or that the text names
 * with a trailing slash, stands for its files.
 */
function filesWithout(folder: string, text: string): string[] {
  return readdirSync(join(root, folder)).flatMap((name) => {
    const path = join(folder, name);
    if (/^(README\.md|node_modules|reports|tsconfig\.json|\..*)$/.test(name) || isCovered(name)) return [];
    if (isFile(path) ? text.includes(name) : text.includes(`${name}/`)) return [];
    if (isFile(path)) return [relative(folder.split("/")[0]!, path)];
    if (existsSync(join(root, path, "README.md"))) return text.includes(name) ? [] : [path];
    return filesWithout(path, text);
  });
}

const isFile = (path: string): boolean => statSync(join(root, path)).isFile();

/** A test beside its module, and the types of a module, are covered by the module's entry. */
const isCovered = (name: string): boolean => /\.test\.ts$|\.d\.ts$/.test(name);
