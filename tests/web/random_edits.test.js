import assert from "node:assert/strict";
import { test } from "node:test";
import { translator } from "../../web/editor/strings/strings.js";
import * as model from "../../web/trajectory/model.js";
import { randomNumbers } from "../../web/trajectory/random.js";
import { refuseOtherSize } from "../../web/trajectory/rows.js";
import { frozen, knowAllTexts } from "./helpers.js";

const SEQUENCES = 1000;
const EDITS = 30; // per sequence

knowAllTexts();
const english = translator("en");

/** Draws of everything that an operation takes, from one seed. */
function draws(seed) {
  const random = randomNumbers(seed);
  const whole = (n) => Math.floor(random() * n);
  const pick = (list) => list[whole(list.length)];
  const some = (list) => list.filter(() => random() < 0.4);
  const way = () => (random() < 0.1 ? 40 * random() - 20 : random() - 0.5);
  const point = () => 3 * random() - 1;
  return {
    random,
    whole,
    pick,
    some,
    way,
    box: () => model.boxBetween(point(), point(), point(), point()),
    ease: () => pick(["linear", "in", "out", "in_out", "hold", [random(), 6 * random() - 3, random(), random()]]),
    side: () => /** @type {0 | 1} */ (whole(2)),
    link: () => pick(["free", "turn", "mirror"]),
    span: ({ frames }) => {
      const from = whole(frames - 1);
      return { from, to: from + 1 + whole(frames - 1 - from) };
    },
  };
}

/** One random operation; null where the document is not one for it. */
const OPERATIONS = {
  addTrack: (d, r) => model.addTrack(d, r.box(), r.whole(d.frames), { phrase: r.pick(["", "dog", "熊"]) }),
  removeTracks: (d, r, ids) => model.removeTracks(d, r.some(ids)),
  duplicateTracks: (d, r, ids) => model.duplicateTracks(d, r.some(ids), r.way(), r.way()),
  reorderTracks: (d, r, ids) => model.reorderTracks(d, r.some(ids), r.whole(ids.length + 1)),
  setPhrase: (d, r, ids) => model.setPhrase(d, r.pick(ids), r.pick(["", "red car", '"', "🐻"])),
  setColor: (d, r, ids) => model.setColor(d, r.some(ids), r.pick(model.PALETTE)),
  setStrength: (d, r, ids) => model.setStrength(d, r.some(ids), 2 * r.random()),
  setEnabled: (d, r, ids) => model.setEnabled(d, r.some(ids), r.random() < 0.5),
  setBox: (d, r, ids) => model.setBox(d, r.pick(ids), r.whole(d.frames), r.box()),
  moveBoxes: (d, r, ids) => model.moveBoxes(d, r.some(ids), r.whole(d.frames), r.way(), r.way()),
  movePathPoint: (d, r, ids) => model.movePathPoint(d, r.pick(ids), r.whole(d.frames), r.random(), r.random()),
  moveTracks: (d, r, ids) => model.moveTracks(d, r.some(ids), r.way(), r.way()),
  resizeTrack: (d, r, ids) => model.resizeTrack(d, r.pick(ids), r.whole(d.frames), r.box()),
  addKeys: (d, r, ids) => model.addKeys(d, r.some(ids), r.whole(d.frames)),
  deleteKeys: (d, r) => model.deleteKeys(d, r.some(refsOf(d))),
  moveKeys: (d, r) => model.moveKeys(d, r.some(refsOf(d)), r.whole(2 * d.frames) - d.frames),
  setEase: (d, r) => model.setEase(d, r.some(refsOf(d)), r.ease()),
  setHandle: (d, r) => {
    const ref = r.pick(refsOf(d));
    return model.setHandle(d, ref, r.side(), [r.way(), r.way()], r.link());
  },
  toggleSmooth: (d, r) => {
    try {
      return model.toggleSmooth(d, r.some(refsOf(d)));
    } catch (error) {
      assert.match(error.message, /does not move there/);
      return null;
    }
  },
  setVisible: (d, r, ids) => {
    const first = r.whole(d.frames);
    return model.setVisible(d, r.some(ids), first, first + r.whole(d.frames - first), r.random() < 0.5);
  },
  withFrames: (d, r) => model.withFrames(d, 2 + r.whole(14), r.pick(["stretch", "crop"])),
  setClip: (d, r) => model.setClip(d, { width: 1 + r.whole(999), fps: 1 + r.random() }),
  pasteTracks: (d, r, ids) => model.pasteTracks(d, model.copyTracks(d, r.some(ids)), r.way(), r.way()),
  pasteKeys: (d, r, ids) => {
    const copied = model.copyKeys(d, r.some(refsOf(d)));
    return copied && model.pasteKeys(d, copied, r.whole(d.frames), r.some(ids));
  },
  recordPath: (d, r, ids) => {
    const samples = Array.from({ length: 9 }, (_, n) => ({ time: n * r.random() * 2, box: r.box() }));
    return model.recordPath(d, r.pick(ids), samples);
  },
  simplifyTracks: (d, r, ids) => model.simplifyTracks(d, r.some(ids), 0.1 * r.random()),
  alignBoxes: (d, r, ids) => model.alignBoxes(d, r.some(ids), r.whole(d.frames), r.pick(["left", "center", "bottom"])),
  distributeBoxes: (d, r, ids) => model.distributeBoxes(d, ids, r.whole(d.frames), r.pick(["x", "y"])),
  moveCamera: (d, r, ids) => {
    const move = { ...r.span(d), dx: r.way(), dy: r.way(), zoom: 0.1 + 3 * r.random(), ease: r.ease() };
    return model.moveCamera(d, r.some(ids), move);
  },
  shakeCamera: (d, r, ids) => model.shakeCamera(d, r.some(ids), { ...r.span(d), seed: r.whole(99) }),
  leave: (d, r, ids) => model.leave(d, r.pick(ids), { ...r.span(d), towards: r.pick(["left", "down"]) }),
  approach: (d, r, ids) => model.approach(d, r.pick(ids), { ...r.span(d), factor: 0.1 + 4 * r.random() }),
  orbit: (d, r, ids) => model.orbit(d, r.pick(ids), { ...r.span(d), turns: r.way(), flatness: 0.1 + r.random() }),
  bounce: (d, r, ids) => model.bounce(d, r.pick(ids), { ...r.span(d), bounces: 1 + r.whole(4), dx: r.way() }),
  follow: (d, r, ids) => {
    const [id, leader] = [r.pick(ids), r.pick(ids)];
    return id === leader ? null : model.follow(d, id, leader, r.span(d));
  },
};

function refsOf(document) {
  return document.objects.flatMap(({ id, keys }) => keys.map(({ frame }) => ({ id, frame })));
}

/** A document after some random edits, frozen after each. */
function edited(document, r, onEdit) {
  let result = document;
  for (let n = 0; n < EDITS; n += 1) {
    const ids = result.objects.map((track) => track.id);
    const isSmall = ids.length < 12 && ids.length > 0;
    const name = isSmall ? r.pick(Object.keys(OPERATIONS)) : ids.length ? "removeTracks" : "addTrack";
    const next = OPERATIONS[name](result, r, ids) ?? result;
    onEdit?.(next, result, name);
    result = frozen(next);
  }
  return result;
}

const start = () => frozen(model.emptyTrajectory({ frames: 9 }));

test("every operation gives a document that is read back the same, and leaves the old one alone", () => {
  const done = new Map();
  for (let seed = 1; seed <= SEQUENCES; seed += 1) {
    edited(start(), draws(seed), (next, before, name) => {
      if (next === before) return;
      done.set(name, (done.get(name) ?? 0) + 1);
      const text = model.serialiseTrajectory(next);
      assert.deepEqual(model.parseTrajectory(text), next, `${name}, seed ${seed}`);
    });
  }
  for (const name of Object.keys(OPERATIONS)) assert.ok(done.get(name) >= 20, `${name}: ${done.get(name)} times`);
});

test("undo after any edits and gestures comes back to the very first document, and redo to the last", () => {
  for (let seed = 1; seed <= SEQUENCES; seed += 1) {
    const r = draws(seed + 10_000);
    const first = start();
    const text = model.serialiseTrajectory(first);
    let history = model.newHistory(first);
    const seen = [first];
    edited(first, r, (next, before, name) => {
      history = model.begin(history, name);
      if (r.random() < 0.2) {
        const given = model.cancel(model.preview(history, next));
        assert.equal(given.present, before);
        history = model.begin(given, name);
      }
      history = model.commit(model.preview(history, next));
      if (history.present !== seen.at(-1)) seen.push(history.present);
    });
    const last = history.present;
    for (const expected of seen.reverse()) {
      assert.equal(history.present, expected);
      history = model.undo(history);
    }
    assert.equal(history.present, first);
    assert.equal(model.serialiseTrajectory(history.present), text);
    while (history.future.length) history = model.redo(history);
    assert.equal(history.present, last);
  }
});

test("edits of one object leave the keys of the others shared", () => {
  for (let seed = 1; seed <= 200; seed += 1) {
    const document = edited(start(), draws(seed + 20_000));
    for (const { id } of document.objects) {
      const after = model.moveTracks(document, [id], 0.01, 0);
      for (const [n, track] of after.objects.entries()) {
        if (track.id !== id) assert.equal(track, document.objects[n]);
      }
    }
  }
});

test("boxes kept for drawing equal those of each frame after any edits", () => {
  for (let seed = 1; seed <= 300; seed += 1) {
    const document = edited(start(), draws(seed + 30_000));
    for (const track of document.objects) {
      const dense = model.denseBoxes(track, document);
      for (let frame = 0; frame < document.frames; frame += 1) {
        assert.deepEqual(model.boxOf(dense, frame), [...model.boxAt(track, frame, document)], `seed ${seed}`);
      }
    }
  }
});

function isOfAnotherSize(boxes, size) {
  try {
    refuseOtherSize(boxes, size);
    return false;
  } catch (error) {
    assert.equal(error.name, "SizeQuestion");
    return true;
  }
}

test("checks and files take any edited document", () => {
  for (let seed = 1; seed <= 300; seed += 1) {
    const document = edited(start(), draws(seed + 40_000));
    const [low, high] = model.LIMITS.coordinate;
    if (!model.boxesAt(document).boxes.flat(2).every((v) => v >= low && v <= high)) continue; // a curve leads out
    for (const finding of model.checkTrajectory(document, { prompt: "a red car", numFrames: 8 })) {
      assert.doesNotMatch(english(finding.key, finding.values), /[{}]|undefined|NaN/);
    }
    const size = { width: document.width, height: document.height, frames: document.frames };
    if (isOfAnotherSize(model.boxesAt(document), size)) continue; // its pixels are taken for those of a larger image
    const mot = model.writeMot(document);
    if (mot) model.readFile(mot, { ...size, format: "mot" }); // tiny boxes are not recognised
    const csv = model.writeCsv(document);
    if (csv.includes("\n0,")) model.readFile(csv, size);
  }
});
