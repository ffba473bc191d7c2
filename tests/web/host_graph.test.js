import assert from "node:assert/strict";
import { test } from "node:test";
import { applyChange, firstFrames } from "../../web/host/dropped.js";
import { bundledAway, isOtherPicture, learnBundled, modelFacts, wordsCount } from "../../web/host/facts.js";
import { source, targets } from "../../web/host/links.js";
import { modelTextOf } from "../../web/editor/stage/model_text.js";
import { translator } from "../../web/editor/strings/strings.js";
import { connectedPicture, viewOf } from "../../web/host/picture.js";
import { scoresOf } from "../../web/host/scores.js";
import { checkTrajectory, serialiseTrajectory, setClip } from "../../web/trajectory/model.js";
import { A, graphOf, knowAllTexts, nested, trajectory } from "./helpers.js";

knowAllTexts();

const bundled = {
  "smcd-world (bundled)": { name: "smcd-world", multiple: 32, examples: null },
  "smcd-tiny (bundled)": { name: "smcd-tiny", multiple: 32, examples: ["beach"] },
};
learnBundled({ input: { required: { checkpoint: ["COMBO", { bundled }] } } });

const api = { apiURL: (path) => `/api${path}`, fileURL: (path) => path };

const node = (graph, id) => graph.getNodeById(id);
const pictureOf = (graph, id = 1) => connectedPicture(node(graph, id), "background", api);
const loader = { type: "LoadImage", widgets: { image: "a b/cat.png [output]" } };

test("a picture is found through reroutes, resizes and bypassed nodes", () => {
  const graph = graphOf({
    1: { type: "SMCD_Trajectory", inputs: { background: [2, 0] } },
    2: { type: "Reroute", inputs: { "": [3, 0] } },
    3: { type: "ImageScale", inputs: { image: [4, 0] }, widgets: { width: 100, height: 50, crop: "disabled" } },
    4: { type: "Anything", mode: 4, inputs: { image: [5, 0] } },
    5: loader,
  });
  const picture = pictureOf(graph);
  assert.equal(picture.url, "/api/view?filename=cat.png&subfolder=a+b&type=output&channel=rgb");
  assert.equal(picture.kind, "image");
  assert.deepEqual(viewOf(64, 64, picture.steps), { width: 100, height: 50, part: [0, 0, 64, 64] });
});

test("a node that may change the picture, a muted one and a linked size end the search", () => {
  const through = (between) =>
    pictureOf(graphOf({ 1: { type: "T", inputs: { background: [2, 0] } }, 2: between, 3: loader, 4: { type: "N" } }));
  assert.equal(through({ type: "DepthMap", inputs: { image: [3, 0] } }), null);
  assert.equal(through({ type: "ImageScaleBy", mode: 2, inputs: { image: [3, 0] }, widgets: { scale_by: 2 } }), null);
  const linked = { type: "ImageScaleBy", inputs: { image: [3, 0], scale_by: [4, 0] }, widgets: { scale_by: 2 } };
  assert.equal(through(linked), null);
  assert.ok(through({ type: "ImageScaleBy", inputs: { image: [3, 0] }, widgets: { scale_by: 2 } }));
});

test("a picture is found out of a subgraph and into one", () => {
  const inner = graphOf({ 1: { type: "T", inputs: { background: [-10, 0] } } }, { id: "in", inputs: 1 });
  const outer = graphOf({ 9: { type: "in", inputs: { image: [5, 0] } }, 5: loader });
  nested(outer, inner);
  assert.match(pictureOf(inner).url, /cat/);
  assert.deepEqual(targets(node(outer, 5), 0).map((end) => end.node.type), ["T"]);

  const loading = graphOf({ 5: loader }, { id: "load", outputs: [[5, 0]] });
  const around = graphOf({ 1: { type: "T", inputs: { background: [9, 0] } }, 9: { type: "load" } });
  nested(around, loading);
  assert.match(pictureOf(around).url, /cat/);
  assert.deepEqual(targets(node(loading, 5), 0).map((end) => end.node.type), ["T"]);
});

test("a ring of links ends", () => {
  const graph = graphOf({
    1: { type: "T", inputs: { background: [2, 0] } },
    2: { type: "Reroute", inputs: { "": [3, 0] } },
    3: { type: "Reroute", inputs: { "": [2, 0] } },
  });
  assert.equal(source(node(graph, 1), 0), null);
  assert.equal(targets(node(graph, 3), 0)[0].node.type, "T");
});

test("crops and sizes of nodes one after the other give the part of the file that is seen", () => {
  const crop = { name: "crop", values: [10, 20, 50, 40] };
  const half = { name: "by", values: [0.5] };
  const square = { name: "to", values: [64, 64, "center"] };
  const kept = { name: "to", values: [0, 50, "disabled"] };
  assert.deepEqual(viewOf(200, 100, [half, crop]), { width: 50, height: 30, part: [20, 40, 100, 60] });
  assert.deepEqual(viewOf(200, 100, [square]), { width: 64, height: 64, part: [50, 0, 100, 100] });
  assert.deepEqual(viewOf(200, 100, [kept]), { width: 100, height: 50, part: [0, 0, 200, 100] });
  assert.deepEqual(viewOf(200, 100, [{ name: "fit", values: [50, 50, "resize"] }]).height, 25);
  assert.equal(viewOf(200, 100, [{ name: "fit", values: [50, 50, "pad"] }]), null);
});

test("a video's rate, start and stride come from its loader", () => {
  const widgets = { video: "run.mp4", force_rate: 12, skip_first_frames: 3, select_every_nth: 2 };
  const graph = graphOf({ 1: { type: "T", inputs: { background: [2, 0] } }, 2: { type: "VHS_LoadVideo", widgets } });
  assert.deepEqual(pictureOf(graph).timing, { rate: 12, skip: 3, every: 2 });
  assert.equal(pictureOf(graph).kind, "video");
});

test("prompt, size and frames come from where the trajectory goes", () => {
  const graph = graphOf({
    1: { type: "SMCD_Trajectory" },
    2: {
      type: "SMCD_Conditioning",
      outputs: ["CONDITIONING"],
      inputs: { positive: [3, 0], trajectory: [1, 0] },
      widgets: { width: 320, height: 256, frames: 0 },
    },
    3: { type: "CLIPTextEncode", outputs: ["CONDITIONING"], widgets: { text: "a red car" } },
  });
  assert.deepEqual(modelFacts(node(graph, 1)), {
    prompt: "a red car",
    width: 320,
    height: 256,
    multiple: 64,
    numFrames: null,
    cropTo: null,
    columns: 40,
    rows: 32,
  });
});

test("the video that a guide crops the image to is known, and its grid", () => {
  const facts = (type, fit) => {
    const guide = { type, inputs: { trajectory: [1, 0] }, widgets: { width: 832, height: 480, fit } };
    const { columns, rows, cropTo } = modelFacts(node(graphOf({ 1: { type: "SMCD_Trajectory" }, 2: guide }), 1));
    return [columns, rows, cropTo];
  };
  for (const type of ["SMCD_Tracks", "SMCD_CutAndDrag", "SMCD_GuideVideo", "SMCD_RegionalPrompt"]) {
    assert.deepEqual(facts(type, "crop"), [104, 60, { width: 832, height: 480 }], type);
    assert.deepEqual(facts(type, "stretch"), [104, 60, null], type);
  }
  assert.deepEqual(facts("SMCD_Draw", "crop"), [32, 32, null]);
});

test("what another model makes of the clip is said like what ours makes", () => {
  const clip = { ...trajectory({ car: [[0, A]] }, { frames: 81 }), width: 832, height: 480 };
  const said = (type, widgets) => {
    const graph = graphOf({ 1: { type: "SMCD_Trajectory" }, 2: { type, inputs: { trajectory: [1, 0] }, widgets } });
    const facts = { slots: 8, ...modelFacts(node(graph, 1)) };
    assert.deepEqual(checkTrajectory(clip, facts).filter(({ key }) => key === "check.wrong_size"), []); // ours alone needs 64
    return modelTextOf({ trajectory: clip, facts }, translator("en"));
  };
  for (const type of ["SMCD_Tracks", "SMCD_CutAndDrag", "SMCD_GuideVideo", "SMCD_RegionalPrompt"]) {
    const wan = { width: 832, height: 480, length: 49, fit: "crop" };
    assert.equal(said(type, wan), "Model: 832 × 480 · 49 of 81 frames", type);
    assert.equal(said(type, { ...wan, width: 480, length: 81 }), "Model: cropped to 480 × 480", type);
    assert.equal(said(type, { ...wan, width: 480, length: 97, fit: "stretch" }), "Model: stretched to 480 × 480 · 81 frames stretched to 97", type);
  }
  // A number that only a run tells is left out.
  const graph = graphOf({
    1: { type: "SMCD_Trajectory" },
    2: { type: "SMCD_Tracks", inputs: { trajectory: [1, 0], width: [4, 0], length: [3, 0] }, widgets: { height: 480 } },
    3: { type: "PrimitiveInt", widgets: { value: 33 } },
    4: { type: "GetImageSize" },
  });
  const facts = { slots: 8, ...modelFacts(node(graph, 1)) };
  assert.equal(modelTextOf({ trajectory: clip, facts }, translator("en")), "33 of 81 frames");
  assert.equal(said("SMCD_Generate", { width: 512, height: 192, frames: 16 }), "Model: stretched to 512 × 192 · 16 of 81 frames");
  assert.equal(said("SMCD_Draw", { width: 512, height: 192, length: 16 }), "");
});

test("a size and a length of primitives are those of the nodes that they are linked to", () => {
  const number = (value) => ({ type: "PrimitiveInt", outputs: ["INT"], widgets: { value, control_after_generate: "fixed" } });
  const linked = { trajectory: [1, 0], width: [3, 0], height: [4, 0], frames: [5, 0] };
  const facts = (type, more = {}) => {
    const given = { type, inputs: linked, widgets: { width: 64, height: 64, frames: 0, fit: "crop" } };
    const nodes = { 1: { type: "SMCD_Trajectory" }, 2: given, 3: number(832), 4: number(480), 5: number(81), ...more };
    return modelFacts(node(graphOf(nodes), 1));
  };
  assert.deepEqual(facts("SMCD_GuideVideo").cropTo, { width: 832, height: 480 });
  const { width, height, numFrames, columns } = facts("SMCD_Conditioning");
  assert.deepEqual([width, height, numFrames, columns], [832, 480, 81, 104]);
  // What another node calculates is not known before a run.
  assert.equal(facts("SMCD_GuideVideo", { 3: { type: "GetImageSize", widgets: { value: 832 } } }).cropTo, null);
});

test("a grid that is known no more is that of no known size again", () => {
  const known = { columns: 40, rows: 32 };
  const alone = graphOf({ 1: { type: "SMCD_Trajectory" } });
  assert.deepEqual({ ...known, ...modelFacts(node(alone, 1)) }, {
    ...{ prompt: null, width: null, height: null, multiple: 64, numFrames: null, cropTo: null },
    ...{ columns: 32, rows: 32 },
  });
  const automatic = { type: "SMCD_Conditioning", inputs: { trajectory: [1, 0] }, widgets: { width: 0, height: 0 } };
  const { columns, rows } = { ...known, ...modelFacts(node(graphOf({ 1: { type: "SMCD_Trajectory" }, 2: automatic }), 1)) };
  assert.deepEqual([columns, rows], [32, 32]);
});

test("the bundled model takes smaller steps of size than the released one", () => {
  const graph = graphOf({
    1: { type: "SMCD_Trajectory" },
    2: { type: "SMCD_Generate", inputs: { trajectory: [1, 0], vae: [3, 2] } },
    3: { type: "SMCD_Load", outputs: ["MODEL", "CLIP", "VAE"], widgets: { checkpoint: "smcd-tiny (bundled)" } },
  });
  assert.equal(modelFacts(node(graph, 1)).multiple, 32);
});

test("a prompt that is put together of two is not known", () => {
  const graph = graphOf({
    1: { type: "SMCD_Trajectory" },
    2: { type: "SMCD_Motion", outputs: ["CONDITIONING"], inputs: { positive: [3, 0], trajectory: [1, 0] } },
    3: { type: "Combine", outputs: ["CONDITIONING"], inputs: { a: [4, 0], b: [5, 0] } },
    4: { type: "CLIPTextEncode", outputs: ["CONDITIONING"], widgets: { text: "cat" } },
    5: { type: "CLIPTextEncode", outputs: ["CONDITIONING"], widgets: { text: "dog" } },
  });
  assert.equal(modelFacts(node(graph, 1)).prompt, null);
});

test("a run that starts from another file than the background's is known", () => {
  const graph = (first) =>
    graphOf({
      1: { type: "SMCD_Trajectory", inputs: { background: [5, 0] } },
      2: { type: "SMCD_Generate", inputs: { trajectory: [1, 0], first_frame: [first, 0] } },
      5: loader,
      6: { type: "ImageScaleBy", inputs: { image: [5, 0] }, widgets: { scale_by: 2 } },
      7: { type: "SMCD_Example", widgets: { example: "beach" } },
      8: { type: "Anything" },
    });
  const api = { apiURL: (path) => `/api${path}`, fileURL: (path) => path };
  const found = [5, 6, 7, 8].map((first) => isOtherPicture(node(graph(first), 1), api));
  assert.deepEqual(found, [false, false, true, false]);
});

test("words count for all models but the bundled one that takes any picture", () => {
  const counted = (checkpoint) => {
    const graph = graphOf({
      1: { type: "SMCD_Trajectory" },
      2: { type: "SMCD_Generate", inputs: { trajectory: [1, 0], first_frame: [5, 0], vae: [4, 0] } },
      4: { type: "SMCD_Load", widgets: { checkpoint } },
      5: { type: "SMCD_Example", widgets: { example: "coffee" } },
    });
    return wordsCount(node(graph, 1));
  };
  assert.deepEqual(["smcd-world (bundled)", "smcd-tiny (bundled)", "smcd.safetensors"].map(counted), [false, true, true]);
  assert.equal(wordsCount(node(graphOf({ 1: { type: "SMCD_Trajectory" } }), 1)), true);
});

test("a bundled checkpoint with another picture than its examples is known", () => {
  const named = (checkpoint, first) => {
    const graph = graphOf({
      1: { type: "SMCD_Trajectory" },
      2: { type: "SMCD_Generate", inputs: { trajectory: [1, 0], first_frame: [first, 0], vae: [4, 0] } },
      4: { type: "SMCD_Load", widgets: { checkpoint } },
      5: loader,
      6: { type: "SMCD_Example", widgets: { example: "coffee" } },
      7: { type: "SMCD_Example", widgets: { example: "beach" } },
      8: { type: "Anything" },
    });
    return bundledAway(node(graph, 1), api)?.name ?? null;
  };
  assert.deepEqual([5, 6, 7, 8].map((first) => named("smcd-world (bundled)", first)), ["smcd-world", null, null, null]);
  assert.deepEqual([5, 6, 7].map((first) => named("smcd-tiny (bundled)", first)), ["smcd-tiny", "smcd-tiny", null]);
  assert.equal(named("smcd-world.safetensors", 5), null);
});

test("scores of boxes that were changed during the run are not of those in the editor", () => {
  const run = trajectory({ cat: [[0, A]] });
  const report = { ids: ["cat"], iou: [[0.5]], text: serialiseTrajectory(run).replace(/\s+/g, " ") };
  assert.equal(scoresOf(report, run).of, run);
  assert.equal(scoresOf(report, setClip(run, { fps: 9 })).of, null);
});

test("a new background goes to each still input that had its source, through reroutes, or that is free", () => {
  const run = (frame) => ({ type: "SMCD_Generate", inputs: { trajectory: [1, 0], first_frame: frame } });
  const graph = graphOf({
    1: { type: "SMCD_Trajectory", inputs: { background: [2, 0] } },
    2: { type: "SMCD_Example" },
    3: run([5, 0]),
    4: run([6, 0]),
    5: { type: "Reroute", inputs: { "": [2, 0] } },
    6: loader,
    7: { type: "PreviewImage", inputs: { images: [2, 0] } },
    8: { type: "SMCD_Tracks", inputs: { trajectory: [1, 0], image: [2, 0] } },
    9: { type: "WanMoveTrackToVideo", inputs: { start_image: [2, 0] } },
  });
  const before = source(node(graph, 1), 0);
  const moved = firstFrames(node(graph, 1), before).map((end) => [end.node.id, end.slot]);
  assert.deepEqual(moved.sort(), [[3, 1], [8, 1], [9, 0]]);
  const free = graphOf({ 1: { type: "SMCD_Trajectory", inputs: { background: null } }, 2: run(null) });
  assert.deepEqual(firstFrames(node(free, 1), null).map((end) => [end.node.id, end.slot]), [[2, 1]]);
  const other = graphOf({ 1: { type: "SMCD_Trajectory", inputs: { background: null } }, 2: run([3, 0]), 3: loader });
  assert.deepEqual(firstFrames(node(other, 1), null), []);
});

test("undo of a dropped picture finds its loader outside of the subgraph of the editor", () => {
  const loader = { type: "LoadImage", widgets: { image: "new.png" } };
  const outer = graphOf({ 9: { type: "in", inputs: { image: [5, 0] } }, 5: loader });
  const inner = graphOf({ 1: { type: "SMCD_Trajectory", inputs: { background: [-10, 0] } }, 5: loader }, { id: "in", inputs: 1 });
  nested(outer, inner);
  for (const graph of [outer, inner]) graph.getNodeById(5).widgets[0].options = {};
  const file = { graph: outer.id, id: 5, widget: "image", before: "old.png", after: "new.png" };
  const images = () => [outer, inner].map((graph) => graph.getNodeById(5).widgets[0].value);
  applyChange(inner, { links: [], file }, true);
  assert.deepEqual(images(), ["old.png", "new.png"]);
  applyChange(inner, { links: [], file }, false);
  assert.deepEqual(images(), ["new.png", "new.png"]);
});
