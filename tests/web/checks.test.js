import assert from "node:assert/strict";
import { test } from "node:test";
import { LANGUAGES, translator } from "../../web/editor/strings/strings.js";
import { checkTrajectory, leave, setEnabled, setPhrase } from "../../web/trajectory/model.js";
import { A, knowAllTexts, textsOf, trajectory } from "./helpers.js";

knowAllTexts();

const ANY = { name: "smcd-world", examples: null };
const DRAWINGS = { name: "smcd-tiny", examples: ["beach"] };

const messageOf = ({ key, values }, language = "en") => translator(language)(key, values);
const keysFound = (document, rules) => checkTrajectory(document, rules).map((finding) => finding.key);
const still = () => trajectory({ car: [[0, A]] });

test("a run with no object, or from another image than is shown, is not passed", () => {
  assert.deepEqual(keysFound(trajectory({})), ["check.no_object"]);
  assert.deepEqual(keysFound(setEnabled(still(), ["car"], false)), ["check.no_object"]);
  assert.deepEqual(keysFound(still(), { isOtherPicture: true }), ["check.other_picture"]);
  assert.deepEqual(keysFound(still(), { bundled: ANY }), ["check.bundled"]);
  assert.deepEqual(keysFound(still(), { bundled: DRAWINGS }), ["check.drawings"]);
});

test("words are said last, and not to a model for which they hardly count", () => {
  const away = trajectory({ cat: [[0, A]], dog: [[0, [1.2, 0, 1.5, 0.5]]] });
  const [outside, words] = ["check.not_taken", "check.not_in_prompt"];
  assert.deepEqual(keysFound(away, { prompt: "a car" }), [outside, words, words]);
  assert.deepEqual(keysFound(away, { prompt: "a car", wordsCount: false }), [outside]);
  assert.deepEqual(keysFound(setPhrase(still(), "car", " "), { wordsCount: false }), ["check.no_phrase"]);
});

test("a size that the model would refuse is told with the nearest before the run", () => {
  const [finding] = checkTrajectory(still(), { width: 250, height: 140 });
  assert.equal(messageOf(finding), "The video is 250 × 140, but the model takes multiples of 64: use 256 × 128.");
  assert.deepEqual(keysFound(still(), { width: 256, height: 192 }), []);
  assert.deepEqual(keysFound(still(), { width: 96, height: 32, multiple: 32 }), []);
});

test("what a crop to another shape cuts off an object is told with the frame of most", () => {
  const moving = trajectory({ car: [[0, [0, 0.25, 0.2, 0.75]], [7, [0.4, 0, 0.6, 0.5]]] }); // 4:3, as all here
  const found = checkTrajectory(moving, { cropTo: { width: 200, height: 100 }, columns: 8, rows: 8, minCells: 0 });
  assert.deepEqual(found.map((finding) => messageOf(finding)), [
    "The crop to 200 × 100 cuts 33 % off car at frame 7. Choose a size nearer to the image's shape, or “stretch”.",
  ]);
  assert.deepEqual(keysFound(still(), { cropTo: { width: 128, height: 96 } }), []);
  // What lies on a picture of another shape is cropped by that picture's.
  const picture = { width: 200, height: 100 };
  assert.deepEqual(keysFound(moving, { cropTo: picture, picture, columns: 8, rows: 8, minCells: 0 }), ["check.other_shape"]);
});

test("boxes on an image of another shape than they were drawn on are told, those on a larger one not", () => {
  const { width, height } = still();
  const [finding] = checkTrajectory(still(), { picture: { width: 600, height: 400 } });
  assert.match(messageOf(finding), new RegExp(`^The boxes were drawn on ${width} × ${height}, the image has another shape, 600 × 400`));
  assert.deepEqual(keysFound(still(), { picture: { width: 2 * width, height: 2 * height } }), []);
});

test("a text that comes through a link is said as long as it does", () => {
  assert.deepEqual(keysFound(still(), { isLinked: true }), ["host.linked"]);
  assert.deepEqual(keysFound(still(), { isLinked: false }), []);
});

test("a slow object of good size with a phrase of the prompt has no findings", () => {
  assert.deepEqual(checkTrajectory(still(), { prompt: "A red Car, driving." }), []);
});

test("the fastest frame of a track is told with its speed in per cent of the width", () => {
  const document = trajectory({ car: [[0, A], [4, [0.3, 0.2, 0.5, 0.5]], [5, [0.6, 0.2, 0.8, 0.5]]] });
  const [finding] = checkTrajectory(document);
  assert.deepEqual(finding, {
    key: "check.too_fast",
    values: { object: "car", speed: 30, limit: 18.8, frame: 5 },
    id: "car",
    frames: [4, 5],
  });
  assert.match(messageOf(finding), /^car moves 30 % of the width a frame up to frame 5; the model follows about 18\.8 %\. Spread/);
});

test("speed is that of the frames that the model makes", () => {
  const document = trajectory({ car: [[0, A], [31, [0.8, 0.2, 1, 0.5]]] }, { frames: 32 });
  assert.deepEqual(keysFound(document), []);
  assert.deepEqual(keysFound(document, { numFrames: 4 }), ["check.too_fast"]);
});

test("an object that jumps while it is hidden is not too fast", () => {
  const document = trajectory({ car: [[0, A], [3, A, "hold", false], [4, [0.7, 0.2, 0.9, 0.5]]] });
  assert.deepEqual(keysFound(document), []);
});

test("a box below two cells is too small, with its smallest size", () => {
  const document = trajectory({ car: [[0, A], [7, [0.1, 0.2, 0.3, 0.25]]] });
  const [finding] = checkTrajectory(document);
  assert.deepEqual([finding.key, finding.values.height, finding.frames], ["check.too_small", 1.6, [7, 7]]);
});

test("a box that leaves the frame is leaving, not small", () => {
  const document = trajectory({ car: [[0, A], [7, [0.95, 0.2, 1.15, 0.5]]] });
  assert.deepEqual(keysFound(document), []);
});

test("each stretch outside that an object comes back from is told unless it is marked as not visible", () => {
  const out = [1.1, 0.2, 1.3, 0.5];
  const edge = [0.9, 0.2, 1.1, 0.5];
  const keys = (visible) => [[0, out, "hold", visible], [3, edge, "hold"], [5, out, "hold", visible], [7, edge]];
  const found = checkTrajectory(trajectory({ car: keys(true) }));
  assert.deepEqual(found.map(({ key, frames }) => [key, frames]), [
    ["check.not_taken", [0, 2]],
    ["check.leaves_frame", [5, 6]],
  ]);
  assert.equal(messageOf(found[1]), "car is outside the image in frames 5–6: hide it there, or move it back in.");
  assert.deepEqual(checkTrajectory(trajectory({ car: keys(false) })), []);
});

test("a stretch of one frame is called by it, in each language", () => {
  const once = trajectory({ car: [[0, A, "hold"], [3, [1.1, 0.2, 1.3, 0.5], "hold"], [4, A]] });
  const [finding] = checkTrajectory(once);
  assert.deepEqual(finding.frames, [3, 3]);
  assert.equal(messageOf(finding), "car is outside the image in frame 3: hide it there, or move it back in.");
  for (const language of LANGUAGES) assert.match(messageOf(finding, language), /^[^3]*3[^3]*$/);
});

test("an object that leaves and does not come back is meant to", () => {
  for (const towards of /** @type {const} */ (["right", "left", "up", "down"])) {
    assert.deepEqual(keysFound(leave(still(), "car", { from: 0, to: 7, towards }), { maxSpeed: 99 }), []);
    assert.deepEqual(keysFound(leave(still(), "car", { from: 1, to: 4, towards }), { maxSpeed: 99 }), []);
  }
  // Nor where it is hidden in between, or in the end.
  const [out, edge] = [[1.1, 0.2, 1.3, 0.5], [0.9, 0.2, 1.1, 0.5]];
  const gone = [[0, edge, "hold"], [2, out, "hold"], [4, out, "hold", false], [5, out, "hold"], [7, out, "hold", false]];
  assert.deepEqual(keysFound(trajectory({ car: gone })), []);
});

test("an object that is not taken along is told first, before phrases", () => {
  const entering = [[0, [1.1, 0.2, 1.3, 0.5]], [7, A]];
  const found = checkTrajectory(setPhrase(trajectory({ car: [[0, A]], kite: entering }), "car", ""));
  assert.deepEqual(found.map(({ key, id }) => [key, id]), [["check.not_taken", "kite"], ["check.no_phrase", "car"]]);
  assert.match(messageOf(found[0]), /^kite is outside the image at frame 0, .* it is not taken along/);
  const sliver = trajectory({ car: [[0, [0.999999, 0.2, 1.2, 0.5]]] }); // less than a pixel
  assert.deepEqual(keysFound(sliver), ["check.not_taken"]);
});

test("an object that is never shown is told", () => {
  assert.deepEqual(keysFound(trajectory({ car: [[0, A, "linear", false]] })), ["check.never_visible"]);
});

test("more enabled objects than trained are counted", () => {
  const crowd = trajectory(Object.fromEntries(Array.from({ length: 10 }, (_, n) => [`o${n}`, [[0, A]]])));
  const [finding] = checkTrajectory(crowd);
  assert.deepEqual(finding.values, { count: 10, limit: 8, over: 2 });
  assert.deepEqual(checkTrajectory(setEnabled(crowd, ["o1", "o2"], false)), []);
});

test("a phrase must be written, and in whole words in the prompt where that is known", () => {
  const phrased = (phrase, prompt) => keysFound(setPhrase(still(), "car", phrase), { prompt });
  assert.deepEqual(phrased("  ", null), ["check.no_phrase"]);
  assert.deepEqual(phrased("…", "a car"), ["check.no_phrase"]);
  assert.deepEqual(phrased("dog", null), []);
  assert.deepEqual(phrased("dog", "a car"), ["check.not_in_prompt"]);
  assert.deepEqual(phrased("car", "a carpet"), ["check.not_in_prompt"]);
  assert.deepEqual(phrased("Red  CAR", "one (red car:1.2)"), []);
  assert.deepEqual(phrased("熊", "一只大熊在跑"), []);
  assert.deepEqual(phrased("狗", "一只大熊在跑"), ["check.not_in_prompt"]);
});

test("every message fills all of its places and says what to do", () => {
  const document = trajectory({
    fast: [[0, A], [1, [0.7, 0.2, 0.9, 0.5]]],
    tiny: [[0, [0.1, 0.1, 0.11, 0.11]]],
    out: [[0, [2, 2, 3, 3]]],
    gone: [[0, A], [3, [2, 2, 3, 3]], [4, [2, 2, 3, 3]], [7, A]],
    away: [[0, A, "hold"], [3, [2, 2, 3, 3], "hold"], [4, A]],
    hidden: [[0, A, "linear", false]],
    ...Object.fromEntries(Array.from({ length: 4 }, (_, n) => [`o${n}`, [[0, A]]])),
  });
  const found = [
    ...checkTrajectory(setPhrase(document, "o0", ""), { prompt: "nothing of these" }),
    ...checkTrajectory(trajectory({}), { isOtherPicture: true, width: 100, height: 100, picture: { width: 9, height: 3 } }),
    ...checkTrajectory(still(), { cropTo: { width: 90, height: 9 } }),
    ...[ANY, DRAWINGS].flatMap((bundled) => checkTrajectory(still(), { bundled })),
  ];
  assert.match(messageOf(found.find(({ key }) => key === "check.no_phrase")), /^o0 has no phrase: write what it is/);
  assert.match(messageOf(found.find(({ key }) => key === "check.too_small")), /^tiny is 0\.3 x 0\.3 cells at frame 0/);
  const checkKeys = Object.keys(textsOf("en").texts).filter((key) => /^check\.\w+(\.other)?$/.test(key));
  assert.deepEqual(new Set(found.map(({ key }) => key)), new Set(checkKeys.map((key) => key.replace(/\.other$/, ""))));
  for (const finding of found) assert.doesNotMatch(messageOf(finding), /[{}]|undefined/);
  assert.match(messageOf(found[0], "zh"), /排除或移除 2/);
});
