/**
 * Jobs of the server's queue: which nodes they run with what values, and which wait.
 *
 * @import {Api, Host} from "./host.js"
 * @typedef {[number: number, id: string, prompt: Record<string, {class_type: string, inputs: Record<string, any>}>,
 *   extra: {client_id?: string, extra_pnginfo?: {workflow?: {id?: string}}}, outputs: string[]]} Job  number: the place in
 *   the queue; prompt: the nodes by the ids of the run; extra: whose it is, and of which workflow; outputs: ids of the nodes
 *   that are asked for
 */

import { nodeOfRun } from "./links.js";

/** The last job that a page asked for, as all events of a run name the same. @type {{api?: Api, id?: string, job?: Promise<Job | null>}} */
let last = {};

/**
 * The job with an id, waiting, running or done; null if the server has it no more.
 *
 * @param {Api} api
 * @param {string} id
 * @returns {Promise<Job | null>}
 */
export function jobOf(api, id) {
  if (last.api !== api || last.id !== id) last = { api, id, job: find(api, id) };
  last.job.catch(() => (last = {})); // the next event asks again
  return last.job;
}

/** @param {Api} api @param {string} id */
async function find(api, id) {
  const { running, pending } = await queueOf(api);
  const there = [...running, ...pending].find((job) => job[1] === id);
  return there ?? (await pastOf(api, id))?.prompt ?? null;
}

/**
 * A job that is over, and what its nodes told of it.
 *
 * @param {Api} api
 * @param {string} id
 * @returns {Promise<{prompt: Job, outputs: Record<string, any>, meta?: Record<string, {display_node: string}>} | undefined>}
 */
export async function pastOf(api, id) {
  return (await json(api, `/history/${id}`))[id];
}

/**
 * The next job that waits and has a part for a node, and how many run before it; null if none waits.
 *
 * @param {any} node
 * @param {Host} host
 * @returns {Promise<{id: string, ahead: number} | null>}
 */
export async function waitingOf(node, host) {
  const { running, pending } = await queueOf(host.api);
  const place = pending.findIndex((job) => partIn(job, node, host) !== null);
  return place < 0 ? null : { id: pending[place][1], ahead: running.length + place };
}

/**
 * What a node is given in a job of this page, by input; null if it has no part in it.
 *
 * @param {Job} job
 * @param {any} node
 * @param {Host} host
 * @returns {Record<string, any> | null}
 */
export function partIn([, , prompt, { client_id, extra_pnginfo }, outputs], node, { app, api }) {
  if (!node.graph) return null; // it has gone since
  const { id } = node.graph.rootGraph ?? node.graph;
  if (client_id !== api.clientId || extra_pnginfo?.workflow?.id !== id) return null; // of another page or tab
  const run = new Set(outputs);
  for (const one of run) {
    const from = Object.values(prompt[one]?.inputs ?? {}).filter(Array.isArray);
    for (const [above] of from) run.add(String(above)); // which the loop gets to as well
  }
  const own = [...run].find((one) => prompt[one] && nodeOfRun(app, one) === node);
  return own === undefined ? null : prompt[own].inputs;
}

/** @param {Api} api @returns {Promise<{running: Job[], pending: Job[]}>}  pending: the next first */
async function queueOf(api) {
  const { queue_running: running, queue_pending: pending } = await json(api, "/queue");
  return { running, pending: pending.sort((a, b) => a[0] - b[0]) };
}

/** @param {Api} api @param {string} path */
async function json(api, path) {
  return (await api.fetchApi(path)).json();
}
