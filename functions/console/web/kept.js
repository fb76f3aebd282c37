// What this tab remembers: in `sessionStorage`, or while the page is open alone, where the browser gives a frame of another site none.

const memory = new Map();

/** What is kept under this name; nothing if there is nothing, or nobody can read it any more. */
export function kept(name) {
  try {
    return JSON.parse(sessionStorage.getItem(name));
  } catch {
    return memory.get(name) ?? null;
  }
}

/** Keeps a value under this name. */
export function keep(name, value) {
  memory.set(name, value);
  try {
    sessionStorage.setItem(name, JSON.stringify(value));
  } catch {
    // It is in memory.
  }
}

/** Forgets what is under this name. */
export function forget(name) {
  memory.delete(name);
  try {
    sessionStorage.removeItem(name);
  } catch {
    // It was in memory alone.
  }
}

/** Forgets everything. */
export function forgetAll() {
  memory.clear();
  try {
    sessionStorage.clear();
  } catch {
    // There was nothing but memory.
  }
}
