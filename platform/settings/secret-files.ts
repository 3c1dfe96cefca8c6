/** Secrets that come from files, as container engines hand them in: they then stand in no environment that others can read. */

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Puts in place what files hold, without the line break at its end: of `NAME_FILE` the whole value of `NAME`, and of
 * `?password-file=/path` in a URL, or in any URL of a list, its password.
 *
 * @param names of the settings that may come from files.
 * @param read answers a file's text.
 * @returns the environment without the `_FILE` names, and a line for each file that cannot be read and each name that is set twice.
 */
export function fromFiles(given: Environment, names: readonly string[], read: (path: string) => string) {
  const env: Record<string, string | undefined> = { ...given };
  const mistakes: string[] = [];
  const content = (path: string, setting: string): string => {
    try {
      return read(path).replace(/\r?\n$/, "");
    } catch (error) {
      mistakes.push(`${setting}: ${path} cannot be read: ${(error as { code?: string }).code ?? String(error)}`);
      return "";
    }
  };
  for (const name of names) {
    const path = env[`${name}_FILE`];
    delete env[`${name}_FILE`];
    if (path && env[name]) mistakes.push(`${name} and ${name}_FILE are both set: take one of them away`);
    else if (path) env[name] = content(path, `${name}_FILE`);
    const urls = env[name]?.split(",").map((part) => withPassword(part, (path) => content(path, name)));
    if (urls) env[name] = urls.join(",");
  }
  return { env, mistakes };
}

/** A URL, or `name=URL`, with the password that its file holds. What is no URL stays as it is: its setting says what is wrong. */
function withPassword(part: string, read: (path: string) => string): string {
  const begin = part.search(/[a-z][a-z0-9+.-]*:\/\//i);
  const url = begin < 0 ? null : URL.parse(part.slice(begin));
  const path = url?.searchParams.get("password-file");
  if (!url || !path) return part;
  url.searchParams.delete("password-file");
  url.password = encodeURIComponent(read(path));
  return part.slice(0, begin) + url.href;
}
