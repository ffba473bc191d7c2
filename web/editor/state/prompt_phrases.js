/**
 * Suggested phrases: what is left of the prompt between punctuation, small words and verbs, if it can name an object.
 * Without grammar some of them are no nouns, but all occur in the prompt.
 */

const MAX = 40; // suggestions
const MAX_WORDS = 6;

const setOf = (words) => new Set(words.split(" "));

// Articles, prepositions, conjunctions, pronouns, auxiliaries and adverbs.
const SMALL = setOf(
  "a an the this that these those some any each every all both another other its his her their my your our and or but " +
    "nor so while as if then than when where of in on at by to from with without within into onto over under above below " +
    "behind beside besides between through across along around against near next toward towards up down off out away back " +
    "for during before after until about like is are was were be been being has have had do does did can could will would " +
    "shall should may might must he she it they we i you him them who which what there here not no never very too also just " +
    "only still again always once now together forward backward backwards upward upwards downward downwards left right " +
    "fast slow more most",
);

// Verbs of what is filmed. Forms that are common nouns as well, such as "waves" or "circles", are left out.
const VERBS = setOf(
  "runs run walks walk moves move flies fly jumps jump drives swims stands sits sit lies goes go comes come gets gives takes " +
    "makes rises rise falls fall lifts drops rolls spins turns slides glides floats drifts sails leaps hops crawls climbs dives " +
    "dances swings bounces rotates travels races rushes chases follows passes crosses enters leaves reaches approaches lands " +
    "holds carries throws catches kicks hits pushes pulls picks puts opens closes shakes eats drinks plays looks watches sees " +
    "smiles laughs talks speaks sings sleeps waits stays stay remains appears disappears becomes begins starts stops shines " +
    "burns blows grows shrinks explodes melts breaks pours flows splashes zooms pans tilts ran walked moved flew jumped swam " +
    "stood sat went came rose fell made wearing",
);

const NOUNS_IN_ING = setOf("building king ring wing string spring thing painting ceiling sling duckling sibling pudding wedding evening morning");

// Without another word they name no object.
const NO_OBJECT = setOf(
  "red green blue yellow orange purple violet pink brown black white grey gray cyan magenta golden silver dark light bright " +
    "big small large little tiny huge tall short long old young new beautiful pretty cute realistic cinematic detailed " +
    "photorealistic sharp static two three four five several many few one single camera scene video photo photograph picture " +
    "image frame side middle center centre front top bottom masterpiece",
);

// Last words of what is about the video, not in it.
const ABOUT_THE_VIDEO = setOf(
  "view shot background foreground footage style quality resolution lighting detail details focus motion movement close-up closeup",
);

/** "One", "two" or "this" with the word that counts, before a Chinese noun. */
const CHINESE_COUNT = /^[一两二三四五六七八九十几这那][只个辆条匹头位名架艘朵棵张把台座件片块群]/u;

/**
 * @param {string | null} prompt
 * @returns {string[]} in prompt order, without duplicates
 */
export function phrasesOf(prompt) {
  // Remove prompt weights, as in (red car:1.2).
  const plain = (prompt ?? "").slice(0, 20_000).replace(/:\s*[\d.]+/g, "");
  const found = new Set();
  for (const clause of plain.split(/[^\p{L}\p{M}\p{N}'’\- ]+|[和与在]/u)) {
    let words = [];
    let isOne = false; // after "a"
    for (const word of [...clause.split(/\s+/), ""]) {
      const lower = word.toLowerCase();
      if (word && !isBetween(lower)) {
        words.push(word);
        continue;
      }
      const phrase = named(words, isOne).join(" ").replace(CHINESE_COUNT, "");
      if (phrase) found.add(phrase);
      words = [];
      isOne = lower === "a" || lower === "an";
    }
  }
  return [...found].slice(0, MAX);
}

/** Suggestions that no object has yet. @param {string | null} prompt @param {string[]} used */
export function freePhrases(prompt, used) {
  const taken = new Set(used.map((text) => text.toLowerCase()));
  return phrasesOf(prompt).filter((text) => !taken.has(text.toLowerCase()));
}

function isBetween(word) {
  const isParticiple = /^.{3,}ing$/.test(word) && !NOUNS_IN_ING.has(word);
  return SMALL.has(word) || VERBS.has(word) || isParticiple || /^.{3,}ly$|n['’]t$/.test(word);
}

/**
 * Neighbouring words without the verb after them: what ends in -s after "a" and a noun, as in "a man waves", or in -ed.
 * Empty if they name no object.
 */
function named(words, isOne) {
  const isVerb = (word) => (isOne && /[^sui]s$/.test(word)) || /^.{2,}[^e]ed$/.test(word);
  const kept = words.length > 1 && isVerb(words.at(-1).toLowerCase()) ? words.slice(0, -1) : words;
  const low = kept.map((word) => word.toLowerCase());
  const isObject = low.some((word) => !NO_OBJECT.has(word) && /\p{L}{2}|[^\p{Script=Latin}\p{N}]/u.test(word));
  return isObject && !ABOUT_THE_VIDEO.has(low.at(-1)) && kept.length <= MAX_WORDS ? kept : [];
}
