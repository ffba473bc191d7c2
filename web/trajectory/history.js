/**
 * Undo and redo, one step per gesture. All functions give a new history; documents share what did not change, so a step
 * costs what it changed.
 *
 * @import {Trajectory} from "./document.js"
 * @typedef {{trajectory: Trajectory, label: string, cost: number}} Step  what to go back to; what was done, for the menu
 * @typedef {{past: Step[], present: Trajectory, future: Step[],
 *   gesture: {trajectory: Trajectory, label: string} | null}} History  gesture: the one under way, with the document from
 *   before it
 */

export const MAX_STEPS = 500;
export const MAX_KEYS = 500_000; // held by undo steps alone: about 100 MB

/**
 * @param {Trajectory} trajectory
 * @returns {History}
 */
export function newHistory(trajectory) {
  return { past: [], present: trajectory, future: [], gesture: null };
}

/**
 * Start a gesture: changes until its commit are one step. One that is still under way is committed first.
 *
 * @param {History} history
 * @param {string} label  what is being done, as a message key
 * @returns {History}
 */
export function begin(history, label) {
  const done = commit(history);
  return { ...done, gesture: { trajectory: done.present, label } };
}

/**
 * Show another document within a gesture.
 *
 * @param {History} history
 * @param {Trajectory} trajectory
 * @returns {History}
 */
export function preview(history, trajectory) {
  if (!history.gesture) throw new Error("no gesture is under way: begin one, or record a whole step");
  return { ...history, present: trajectory };
}

/**
 * End the gesture. Without a change it leaves no step and what can be redone stays.
 *
 * @param {History} history
 * @returns {History}
 */
export function commit(history) {
  const { gesture, present } = history;
  if (!gesture || gesture.trajectory === present) return { ...history, gesture: null };
  const step = { ...gesture, cost: ownKeys(gesture.trajectory, present) };
  return { past: bounded([...history.past, step]), present, future: [], gesture: null };
}

/**
 * Give the gesture up: the document from before it is back.
 *
 * @param {History} history
 * @returns {History}
 */
export function cancel(history) {
  return history.gesture ? { ...history, present: history.gesture.trajectory, gesture: null } : history;
}

/**
 * A whole step at once.
 *
 * @param {History} history
 * @param {Trajectory} trajectory
 * @param {string} label
 * @returns {History}
 */
export function record(history, trajectory, label) {
  return commit(preview(begin(history, label), trajectory));
}

/**
 * One step back. A gesture that is under way is given up instead.
 *
 * @param {History} history
 * @returns {History}
 */
export function undo(history) {
  if (history.gesture) return cancel(history);
  const step = history.past.at(-1);
  if (!step) return history;
  const back = { trajectory: history.present, label: step.label, cost: step.cost };
  return { past: history.past.slice(0, -1), present: step.trajectory, future: [...history.future, back], gesture: null };
}

/**
 * One step forth again.
 *
 * @param {History} history
 * @returns {History}
 */
export function redo(history) {
  const step = history.gesture ? null : history.future.at(-1);
  if (!step) return history;
  const back = { trajectory: history.present, label: step.label, cost: step.cost };
  return { past: [...history.past, back], present: step.trajectory, future: history.future.slice(0, -1), gesture: null };
}

/** How many keys `trajectory` holds that `next` does not share. */
function ownKeys(trajectory, next) {
  const shared = new Set(next.objects.map((track) => track.keys));
  return trajectory.objects.reduce((sum, { keys }) => sum + (shared.has(keys) ? 0 : keys.length), 1);
}

/** The latest steps that stay within both limits; the last one always stays. */
function bounded(past) {
  let cost = 0;
  let first = past.length;
  while (first > 0 && past.length - first < MAX_STEPS) {
    cost += past[first - 1].cost;
    if (cost > MAX_KEYS && first < past.length) break;
    first -= 1;
  }
  return past.slice(first);
}
