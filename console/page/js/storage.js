/** The user's choices in the browser's local storage. Without storage a choice lasts until the page is closed. */

/** @param {string} key */
export function readChoice(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

/** @param {string} key @param {string} value */
export function saveChoice(key, value) {
  try {
    localStorage.setItem(key, value);
  } catch {
    // The browser does not allow storage.
  }
}
