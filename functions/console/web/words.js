// What the pages say, in the reader's language. Words are data: a language is a file beside this one, and its name here.

import english from './words-en.js';

/** The languages there are, each by its own name. */
export const LANGUAGES = { en: 'English', de: 'Deutsch' };

const CHOSEN = 'scrip-language';

/** What was chosen before; nothing where the browser lets a frame of another site keep nothing. */
function chosen() {
  try {
    return localStorage.getItem(CHOSEN);
  } catch {
    return null;
  }
}

function wanted() {
  const asked = [chosen(), ...navigator.languages];
  return asked.map((tag) => tag?.slice(0, 2)).find((tag) => Object.hasOwn(LANGUAGES, tag)) ?? 'en';
}

/** The language in which everything is said, as a tag that `Intl` knows. */
export const language = wanted();

const words = language === 'en' ? english : (await import(`./words-${language}.js`)).default;
const plural = new Intl.PluralRules(language);

document.documentElement.lang = language;

/** Remembers another language, and begins anew in it. */
export function choose(tag) {
  localStorage.setItem(CHOSEN, tag);
  location.reload();
}

/** Whether there are words under this name. */
export function known(name) {
  return Object.hasOwn(english, name);
}

/**
 * The words under this name, with what they leave open filled in. Where `count` decides among forms, they are an object by what
 * `Intl.PluralRules` says.
 */
export function t(name, values = {}) {
  let text = words[name] ?? english[name];
  if (text === undefined) return name;
  if (typeof text !== 'string') text = text[plural.select(values.count)] ?? text.other;
  return text.replace(/\{(\w+)\}/g, (whole, member) => values[member] ?? whole);
}
