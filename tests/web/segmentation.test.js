import assert from "node:assert/strict";
import { test } from "node:test";
import { overlapOf } from "../../web/trajectory/box.js";
import { finished, maskedAt, objectsAt, regionsBySteps, regionsOf } from "../../web/trajectory/segmentation.js";
import { randomNumbers } from "../../web/trajectory/random.js";

const [WIDTH, HEIGHT] = [64, 48];
const GREEN = [70, 110, 60];
const RED = [190, 60, 50];
const PIXEL = 1.01 / 64; // of a side

/** A picture of noise around the colour that `paint` gives for each pixel, RGBA. */
function picture(paint, noise = 12) {
  const random = randomNumbers(1);
  const data = new Uint8ClampedArray(WIDTH * HEIGHT * 4);
  for (let n = 0; n < WIDTH * HEIGHT; n += 1) {
    const color = paint(n % WIDTH, Math.floor(n / WIDTH));
    data.set([...color.map((value) => value + (random() - 0.5) * 2 * noise), 255], n * 4);
  }
  return { data, width: WIDTH, height: HEIGHT };
}

const isIn = ([left, top, right, bottom], x, y) => x >= left && x < right && y >= top && y < bottom;
const unitsOf = ([left, top, right, bottom]) => [left / WIDTH, top / HEIGHT, right / WIDTH, bottom / HEIGHT];
const near = (box, wanted) => assert.ok(box.every((v, n) => Math.abs(v - wanted[n]) <= PIXEL), `${box} is not ${wanted}`);

test("a click anywhere on an object proposes its box first, in spite of noise", () => {
  const box = [20, 10, 44, 36];
  const regions = regionsOf(picture((x, y) => (isIn(box, x, y) ? RED : GREEN)));
  for (const at of [[0.5, 0.48], [0.34, 0.25], [0.66, 0.7]]) near(objectsAt(regions, at)[0], unitsOf(box));
});

test("the work is done in short steps, and what is left at once", () => {
  const image = picture((x, y) => (isIn([20, 10, 44, 36], x, y) ? RED : GREEN));
  const steps = regionsBySteps(image);
  for (let n = 0; n < 50; n += 1) assert.ok(!steps.next().done);
  assert.deepEqual(finished(steps), regionsOf(image));
});

test("a disc on a background that gets lighter is found", () => {
  const inDisc = (x, y) => Math.hypot(x + 0.5 - 30, y + 0.5 - 24) < 12;
  const regions = regionsOf(picture((x, y) => (inDisc(x, y) ? RED : GREEN.map((value) => value + x))));
  near(objectsAt(regions, [30 / WIDTH, 24 / HEIGHT])[0], unitsOf([18, 12, 42, 36]));
});

test("of two alike objects the one at the click is proposed", () => {
  const [left, right] = [[6, 12, 22, 30], [38, 14, 56, 40]];
  const regions = regionsOf(picture((x, y) => (isIn(left, x, y) || isIn(right, x, y) ? RED : GREEN)));
  near(objectsAt(regions, [14 / WIDTH, 20 / HEIGHT])[0], unitsOf(left));
  near(objectsAt(regions, [47 / WIDTH, 27 / HEIGHT])[0], unitsOf(right));
});

test("an object of two colours is among the proposals, and no two of them are alike", () => {
  const [whole, upper] = [[20, 8, 44, 40], [20, 8, 44, 24]];
  const paint = (x, y) => (isIn(upper, x, y) ? RED : isIn(whole, x, y) ? [220, 140, 60] : GREEN);
  const found = objectsAt(regionsOf(picture(paint)), [0.5, 0.3]);
  assert.ok(found.some((box) => overlapOf(box, unitsOf(whole)) > 0.95), JSON.stringify(found));
  assert.ok(found.some((box) => overlapOf(box, unitsOf(upper)) > 0.95), JSON.stringify(found));
  found.forEach((a, n) => found.slice(n + 1).forEach((b) => assert.ok(overlapOf(a, b) < 0.75)));
});

test("a click in the middle of an object is not for a spot beside the middle that stands out as much", () => {
  const [whole, spot] = [[12, 8, 52, 40], [30, 22, 44, 36]];
  const paint = (x, y) => (isIn(spot, x, y) ? [255, 230, 120] : isIn(whole, x, y) ? [150, 80, 50] : GREEN);
  const regions = regionsOf(picture(paint, 4));
  near(objectsAt(regions, [0.5, 0.49])[0], unitsOf(whole));
  near(objectsAt(regions, [39 / WIDTH, 31 / HEIGHT])[0], unitsOf(spot));
});

test("where nothing stands out, and outside of the picture, nothing is proposed", () => {
  const regions = regionsOf(picture(() => GREEN, 0));
  assert.deepEqual(objectsAt(regions, [0.5, 0.5]), []);
  for (const at of [[-0.1, 0.5], [0.5, 1], [1.2, 2]]) assert.deepEqual(objectsAt(regions, at), []);
});

test("the smallest pictures have no objects", () => {
  const one = regionsOf({ data: [9, 9, 9, 255], width: 1, height: 1 });
  assert.deepEqual(objectsAt(one, [0.5, 0.5]), []);
});

test("the connected part of a mask under a point gives the box", () => {
  const [left, right] = [[4, 4, 20, 20], [30, 10, 50, 40]];
  const data = new Uint8ClampedArray(WIDTH * HEIGHT * 4);
  for (let n = 0; n < WIDTH * HEIGHT; n += 1) {
    const [x, y] = [n % WIDTH, Math.floor(n / WIDTH)];
    data[n * 4 + 3] = isIn(left, x, y) || isIn(right, x, y) ? 255 : 40;
  }
  const mask = { data, width: WIDTH, height: HEIGHT };
  assert.deepEqual(maskedAt(mask, [12 / WIDTH, 8 / HEIGHT]), unitsOf(left));
  assert.deepEqual(maskedAt(mask, [40 / WIDTH, 25 / HEIGHT]), unitsOf(right));
  for (const at of [[25 / WIDTH, 0.5], [1, 1], [-1, 0.5]]) assert.equal(maskedAt(mask, at), null);
});

test("overlap is the intersection over the union", () => {
  assert.equal(overlapOf([0, 0, 1, 1], [0, 0, 1, 1]), 1);
  assert.equal(overlapOf([0, 0, 0.5, 1], [0.5, 0, 1, 1]), 0);
  assert.equal(overlapOf([0, 0, 1, 1], [0, 0, 0.5, 0.5]), 0.25);
});

test("a large flat picture is searched too, in about the time of any other", { timeout: 20_000 }, () => {
  const data = new Uint8ClampedArray(128 * 128 * 4).fill(255);
  for (let y = 40; y < 90; y += 1) for (let x = 30; x < 100; x += 1) data.set([0, 0, 0], (y * 128 + x) * 4);
  const [box] = objectsAt(regionsOf({ data, width: 128, height: 128 }), [0.5, 0.5]);
  assert.deepEqual(box, [30 / 128, 40 / 128, 100 / 128, 90 / 128]);
});
