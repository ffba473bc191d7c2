/**
 * Suggested phrases: parts of the prompt between punctuation and stop words. Without grammar some of them are not
 * nouns, but all occur in the prompt.
 */

const MAX = 40; // suggestions
const MAX_WORDS = 6;

// Stop words: articles, prepositions, conjunctions, pronouns, common verbs.
const STOPS = new Set(
  (
    "a an the this that these those some any each every its his her their my your our and or but nor so while as " +
    "if then of in on at by to from with without into onto over under above below behind beside between through " +
    "across along around against near toward towards up down off out for is are was were be been being has have " +
    "had do does did it he she they we i you who which what there here very slowly quickly runs run walks walk " +
    "moves move flies fly jumps jump drives drive swims swim stands stand sits sit"
  ).split(" "),
);
const NOUNS_IN_ING = new Set("building king ring wing string spring thing painting ceiling sling".split(" "));

/**
 * @param {string | null} prompt
 * @returns {string[]} in prompt order, without duplicates
 */
export function phrasesOf(prompt) {
  // Remove prompt weights, as in (red car:1.2).
  const plain = (prompt ?? "").slice(0, 20_000).replace(/:\s*[\d.]+/g, "");
  const found = new Set();
  for (const clause of plain.split(/[^\p{L}\p{M}\p{N}'’\- ]+|[的和与在]/u)) {
    let words = [];
    for (const word of [...clause.split(/\s+/), ""]) {
      if (word && !isStop(word.toLowerCase())) {
        words.push(word);
        continue;
      }
      if (words.length && words.length <= MAX_WORDS) found.add(words.join(" "));
      words = [];
    }
  }
  return [...found].slice(0, MAX);
}

/** Suggestions that no object has yet. @param {string | null} prompt @param {string[]} used */
export function freePhrases(prompt, used) {
  const taken = new Set(used.map((text) => text.toLowerCase()));
  return phrasesOf(prompt).filter((text) => !taken.has(text.toLowerCase()));
}

function isStop(word) {
  return STOPS.has(word) || (/^.{3,}ing$/.test(word) && !NOUNS_IN_ING.has(word)) || /^.{3,}ly$/.test(word);
}
