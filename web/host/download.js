/**
 * The button on Load SMCD that downloads the released weights. Only the server knows the files, their sources and their
 * destinations. The page shows them with their licences, and reports which licences the user has accepted. Messages of
 * the server, such as errors, are always English.
 *
 * @import {Host} from "./host.js"
 * @typedef {{name: string, title: string, page: string, licence: string,
 *   files: {name: string, path: string, size: number, there: boolean}[]}} Weights
 * @typedef {{state: "running" | "stopped" | "failed" | "done", file: string, done: number, size: number,
 *   message: string, hand: string[]}} Download  message: the error; hand: how to download by hand
 * @typedef {ReturnType<typeof translator>} Translator
 */

import { translator } from "../editor/strings/strings.js";
import { after, languageOf, onLanguage } from "./host.js";

const ROUTE = "/smcd/download";
const POLL = 500; // milliseconds
const TOAST = 10_000;

/** @param {any} node  Load SMCD @param {Host} host */
export function attachDownload(node, host) {
  new DownloadButton(node, host);
}

class DownloadButton {
  #node;
  #host;
  #widget;
  /** The download in progress. @type {Download | null} */
  #running = null;
  #stopListening = () => {};

  constructor(node, host) {
    this.#node = node;
    this.#host = host;
    const pressed = () => this.#press().catch((error) => this.#notify("error", error.message));
    this.#widget = node.addWidget("button", "download_weights", null, pressed, { serialize: false });
    this.#widget.serialize = false;
    // Not every new node is added to a graph, and a removed one may come back.
    after(node, "onAdded", () => this.#listen());
    after(node, "onRemoved", () => this.#stopListening());
    after(node, "onConfigure", () => this.#show());
    for (const widget of node.widgets ?? []) after(widget, "callback", () => this.#show());
    this.#show();
  }

  get #t() {
    return translator(languageOf(this.#host));
  }

  #listen() {
    this.#stopListening();
    this.#stopListening = onLanguage(this.#host, () => this.#show());
    this.#show();
  }

  async #press() {
    const { weights, download } = await ask(this.#host);
    if (download?.state === "running") {
      await this.#offerStop(download);
      return;
    }
    const missing = weights.filter(({ files }) => files.some(({ there }) => !there));
    if (!missing.length) this.#notify("success", this.#t("download.nothingMissing"));
    else if (await this.#confirm(licences(missing, this.#t))) {
      await this.#follow(await ask(this.#host, ROUTE, { licences_accepted: missing.map(({ name }) => name) }));
    }
  }

  async #offerStop(download) {
    const message = this.#t("download.stopHint", { progress: progressText(download, this.#t) });
    const isToStop = await this.#confirm({ title: this.#t("download.stop"), message });
    await this.#follow(isToStop ? await ask(this.#host, `${ROUTE}/stop`, {}) : download);
  }

  /** Show the progress until the download ends. @param {Download} download */
  async #follow(download) {
    if (this.#running) return;
    try {
      while (download.state === "running") {
        this.#running = download;
        this.#show();
        await new Promise((done) => setTimeout(done, POLL));
        download = (await ask(this.#host)).download;
      }
    } finally {
      this.#running = null;
      this.#show();
    }
    await this.#tellEnd(download);
  }

  async #tellEnd({ state, message, hand }) {
    if (state === "done") {
      await this.#host.app.refreshComboInNodes?.();
      this.#notify("success", this.#t("download.done"));
    } else if (state === "stopped") this.#notify("info", this.#t("download.stopped"));
    else await this.#confirm({ title: this.#t("download.failed"), type: "info", message, itemList: hand });
  }

  /** Says that the server lacks a file that a widget names, as the host's list of missing models leaves it out. */
  #idleText() {
    const isMissing = ({ value, options }) => Array.isArray(options?.values) && value && !options.values.includes(value);
    return this.#t(this.#node.widgets.some(isMissing) ? "download.missing" : "download.button");
  }

  #confirm(content) {
    return this.#host.app.extensionManager.dialog.confirm(content);
  }

  #notify(severity, detail) {
    this.#host.app.extensionManager.toast.add({ severity, summary: "SMCD", detail, life: TOAST });
  }

  #show() {
    this.#widget.label = this.#running ? progressText(this.#running, this.#t) : this.#idleText();
    this.#node.setDirtyCanvas(true, true);
  }
}

/**
 * The content of the licence dialog, which the host shows as plain text.
 *
 * @param {Weights[]} missing
 * @param {Translator} t
 */
function licences(missing, t) {
  const files = missing.flatMap((one) => one.files.filter(({ there }) => !there));
  const total = files.reduce((sum, { size }) => sum + size, 0);
  return {
    title: t("download.title"),
    message: t("download.licences", { size: sizeText(total), count: files.length }),
    itemList: missing.flatMap((one) => [
      t("download.source", { title: one.title, page: one.page, licence: one.licence }),
      ...one.files.filter(({ there }) => !there).map(({ path, size }) => `${path} (${sizeText(size)})`),
    ]),
    hint: t("download.hint"),
  };
}

/** @param {Download} download @param {Translator} t */
function progressText({ file, done, size }, t) {
  if (!file) return t("download.begins");
  return t("download.progress", { file, percent: Math.floor((100 * done) / Math.max(size, 1)), size: sizeText(size) });
}

/** @param {number} bytes */
function sizeText(bytes) {
  const units = ["B", "kB", "MB", "GB"];
  const power = bytes < 999.5 ? 0 : Math.min(Math.floor(Math.log10(bytes * 1.0005) / 3), 3);
  return `${Number((bytes / 1000 ** power).toPrecision(3))} ${units[power]}`;
}

/**
 * Send a GET request, or a POST with `body`, and return the JSON answer.
 *
 * @param {Host} host
 * @param {string} [route]
 * @param {object} [body]
 */
async function ask({ api }, route = ROUTE, body) {
  const headers = { "Content-Type": "application/json" };
  const response = await api.fetchApi(route, body && { method: "POST", headers, body: JSON.stringify(body) });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error ?? `${route}: ${response.status} ${response.statusText}`);
  return answer;
}
