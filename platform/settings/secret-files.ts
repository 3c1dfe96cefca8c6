/** Secrets in files, as container engines provide them. In the environment other processes could read them. */

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Replaces references to files by the files' content, without its final line break. `NAME_FILE` names a file with the
 * value of `NAME`. `?password-file=/path` in a URL, or in any URL of a list, names a file with the URL's password.
 *
 * @param names settings that may come from files.
 * @param read returns a file's text. @throws {Error} when the file cannot be read.
 * @returns the environment without the `_FILE` names, and one line for each unreadable file and each name that is set
 * twice.
 */
export function readSecretFiles(given: Environment, names: readonly string[], read: (path: string) => string) {
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
    if (path && env[name]) mistakes.push(`${name} and ${name}_FILE are both set: remove one of them`);
    else if (path) env[name] = content(path, `${name}_FILE`);
    const urls = env[name]?.split(",").map((part) => withPassword(part, (path) => content(path, name)));
    if (urls) env[name] = urls.join(",");
  }
  return { env, mistakes };
}

/**
 * A URL, or `name=URL`, with the password from its file. Anything else stays as it is: its setting reports the mistake.
 */
function withPassword(part: string, read: (path: string) => string): string {
  const start = part.search(/[a-z][a-z0-9+.-]*:\/\//i);
  const url = start < 0 ? null : URL.parse(part.slice(start));
  const path = url?.searchParams.get("password-file");
  if (!url || !path) return part;
  url.searchParams.delete("password-file");
  url.password = encodeURIComponent(read(path));
  return part.slice(0, start) + url.href;
}
