/**
 * The button of Load SMCD that fetches the released weights. What there is to fetch, from where and to where only the
 * server knows: the page shows it, with the licences, and says which of them the user accepted.
 *
 * @import {Host} from "./node.js"
 * @typedef {{name: string, title: string, page: string, licence: string,
 *   files: {name: string, path: string, size: number, there: boolean}[]}} Weights
 * @typedef {{state: "running" | "stopped" | "failed" | "done", file: string, done: number, size: number,
 *   message: string, hand: string[]}} Download
 */

const ROUTE = "/smcd/download";
const LABEL = "Download released weights…";
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
  #isFollowing = false;

  constructor(node, host) {
    this.#node = node;
    this.#host = host;
    const pressed = () => this.#press().catch((error) => this.#notify("error", error.message));
    this.#widget = node.addWidget("button", "download_weights", null, pressed, { serialize: false });
    this.#widget.serialize = false;
    this.#show(LABEL);
  }

  async #press() {
    const { weights, download } = await ask(this.#host);
    if (download?.state === "running") {
      await this.#offerStop(download);
      return;
    }
    const missing = weights.filter(({ files }) => files.some(({ there }) => !there));
    if (!missing.length) this.#notify("success", "All released weights are there.");
    else if (await this.#confirm(licences(missing))) {
      await this.#follow(await ask(this.#host, ROUTE, { licences_accepted: missing.map(({ name }) => name) }));
    }
  }

  async #offerStop(download) {
    const message = `${progressText(download)}. What has arrived is kept.`;
    const isToStop = await this.#confirm({ title: "Stop the download?", message });
    await this.#follow(isToStop ? await ask(this.#host, `${ROUTE}/stop`, {}) : download);
  }

  /** Show how far it is, until it has ended. @param {Download} download */
  async #follow(download) {
    if (this.#isFollowing) return;
    this.#isFollowing = true;
    try {
      while (download.state === "running") {
        this.#show(progressText(download));
        await new Promise((done) => setTimeout(done, POLL));
        download = (await ask(this.#host)).download;
      }
    } finally {
      this.#isFollowing = false;
      this.#show(LABEL);
    }
    await this.#tellEnd(download);
  }

  async #tellEnd({ state, message, hand }) {
    if (state === "done") {
      await this.#host.app.refreshComboInNodes?.();
      this.#notify("success", `${message} Load SMCD, Load CLIP and Load VAE offer them now.`);
    } else if (state === "stopped") this.#notify("info", message);
    else await this.#confirm({ title: "The weights were not fetched", type: "info", message, itemList: hand });
  }

  #confirm(content) {
    return this.#host.app.extensionManager.dialog.confirm(content);
  }

  #notify(severity, detail) {
    this.#host.app.extensionManager.toast.add({ severity, summary: "SMCD", detail, life: TOAST });
  }

  #show(label) {
    this.#widget.label = label;
    this.#node.setDirtyCanvas(true, true);
  }
}

/** What the user is asked. The host sets all of it as text. @param {Weights[]} missing */
function licences(missing) {
  const files = missing.flatMap((one) => one.files.filter(({ there }) => !there));
  const total = files.reduce((sum, { size }) => sum + size, 0);
  return {
    title: "Download released weights",
    message: `${sizeText(total)} in ${files.length} files. Confirm that you accept these licences:`,
    itemList: missing.flatMap((one) => [
      `${one.title}, from ${one.page}. Licence: ${one.licence}`,
      ...one.files.filter(({ there }) => !there).map(({ path, size }) => `${path} (${sizeText(size)})`),
    ]),
    hint: "You can go on working meanwhile. After an interruption the same button goes on where it stopped.",
  };
}

/** @param {Download} download */
export function progressText({ file, done, size }) {
  return file ? `Fetching ${file}, ${Math.floor((100 * done) / Math.max(size, 1))} % of ${sizeText(size)}` : "Fetching";
}

/** @param {number} bytes */
export function sizeText(bytes) {
  const units = ["bytes", "kB", "MB", "GB"];
  const power = bytes < 999.5 ? 0 : Math.min(Math.floor(Math.log10(bytes * 1.0005) / 3), 3);
  return `${Number((bytes / 1000 ** power).toPrecision(3))} ${units[power]}`;
}

/** The answer to a GET, or to a POST of `body`. @param {Host} host @param {string} [route] @param {object} [body] */
async function ask({ api }, route = ROUTE, body) {
  const headers = { "Content-Type": "application/json" };
  const response = await api.fetchApi(route, body && { method: "POST", headers, body: JSON.stringify(body) });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error ?? `${route}: ${response.status} ${response.statusText}`);
  return answer;
}
