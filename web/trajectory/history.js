/**
 * Undo and redo, one step per gesture. All functions return a new history. Trajectories share unchanged parts, so a
 * step costs only what it changed.
 *
 * @import {Trajectory} from "./document.js"
 * @typedef {{trajectory: Trajectory, label: string, change?: unknown, cost: number}} Step  trajectory: to go back to;
 *   change: of something else, made with this step; cost: keys that only this step holds
 * @typedef {Omit<Step, "cost">} Named
 * @typedef {{past: Step[], present: Trajectory, future: Step[], gesture: Named | null}} History  gesture: the open one,
 *   and what it began with
 */

export const MAX_STEPS = 500;
export const MAX_KEYS = 500_000; // held by undo steps only: about 100 MB

/**
 * @param {Trajectory} trajectory
 * @returns {History}
 */
export function newHistory(trajectory) {
  return { past: [], present: trajectory, future: [], gesture: null };
}

/**
 * Start a gesture: all changes until its commit are one step. A gesture that is still open is committed first.
 *
 * @param {History} history
 * @param {string} label  message key of the change
 * @returns {History}
 */
export function begin(history, label) {
  const done = commit(history);
  return { ...done, gesture: { trajectory: done.present, label } };
}

/**
 * Show another trajectory within a gesture.
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
 * End the gesture. Without a change, of the trajectory or with it, there is no step, and redo stays possible.
 *
 * @param {History} history
 * @returns {History}
 */
export function commit(history) {
  const { gesture, present } = history;
  if (!gesture || (gesture.trajectory === present && !gesture.change)) return { ...history, gesture: null };
  const step = { ...gesture, cost: ownKeys(gesture.trajectory, present) };
  return { past: bounded([...history.past, step]), present, future: [], gesture: null };
}

/**
 * Cancel the gesture and restore the trajectory from before it.
 *
 * @param {History} history
 * @returns {History}
 */
export function cancel(history) {
  return history.gesture ? { ...history, present: history.gesture.trajectory, gesture: null } : history;
}

/**
 * Record a complete step.
 *
 * @param {History} history
 * @param {Trajectory} trajectory
 * @param {string} label
 * @param {unknown} [change]  of something else, which belongs to the step
 * @returns {History}
 */
export function record(history, trajectory, label, change = null) {
  const { gesture, ...done } = begin(history, label);
  return commit(preview({ ...done, gesture: change === null ? gesture : { ...gesture, change } }, trajectory));
}

/**
 * Undo one step, or cancel the open gesture.
 *
 * @param {History} history
 * @returns {History}
 */
export function undo(history) {
  if (history.gesture) return cancel(history);
  const step = history.past.at(-1);
  if (!step) return history;
  const future = [...history.future, { ...step, trajectory: history.present }];
  return { past: history.past.slice(0, -1), present: step.trajectory, future, gesture: null };
}

/**
 * Redo one step.
 *
 * @param {History} history
 * @returns {History}
 */
export function redo(history) {
  const step = history.gesture ? null : history.future.at(-1);
  if (!step) return history;
  const past = [...history.past, { ...step, trajectory: history.present }];
  return { past, present: step.trajectory, future: history.future.slice(0, -1), gesture: null };
}

/**
 * The same trajectory with the steps of another history, as from before the page was loaded again.
 *
 * @param {History} history
 * @param {{past: Named[], future: Named[]}} steps  in the order of a history: the nearest step is the last of each
 * @returns {History}
 */
export function withSteps({ present }, { past, future }) {
  const costed = (steps) => steps.map((step, n) => ({ ...step, cost: ownKeys(step.trajectory, steps[n + 1]?.trajectory ?? present) }));
  return { past: bounded(costed(past)), present, future: costed(future), gesture: null };
}

/** Number of keys in `trajectory` that `next` does not share. */
function ownKeys(trajectory, next) {
  const shared = new Set(next.objects.map((track) => track.keys));
  return trajectory.objects.reduce((sum, { keys }) => sum + (shared.has(keys) ? 0 : keys.length), 1);
}

/** The latest steps within both limits, at least the last one. */
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
