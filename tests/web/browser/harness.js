/**
 * A headless Chromium for the tests of the view, on the page without ComfyUI (`openEditor`) or in the real host
 * (comfy.js). What is missing is a reason to skip, found before any test runs:
 *
 *     test("a drag draws a box", { skip: missing }, async (t) => {
 *       const { page, problems, close } = await openEditor();
 *       t.after(close);
 *     });
 */

import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { delimiter, extname, join, normalize } from "node:path";
import { after } from "node:test";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../../../", import.meta.url));

const NAMES = ["chromium", "chromium-browser", "google-chrome"];
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".json": "application/json" };

const playwright = await import("playwright-core").catch(() => null);
const executable = process.env.CHROMIUM_PATH ?? onPath(NAMES);

/** Why no browser test can run, or false: what `skip` of node:test takes. */
export const missing =
  (!playwright && "no playwright-core: run npm ci in tests/web") ||
  (!executable && `no browser: none of ${NAMES.join(", ")} on PATH; or set CHROMIUM_PATH`);

/** The first of some programs that is on PATH. @param {string[]} names @returns {string | null} */
export function onPath(names) {
  const folders = (process.env.PATH ?? "").split(delimiter);
  return names.flatMap((name) => folders.map((folder) => join(folder, name))).find((path) => existsSync(path)) ?? null;
}

/** A document of 24 frames with some objects. @param {object[]} objects */
export const documentOf = (objects) => ({ version: 1, width: 512, height: 512, frames: 24, fps: 8, objects });

/** Wait until the page has drawn what was changed. @param {any} page */
export const settle = (page) =>
  page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));

/** The browser of a test file and the servers of its editors by address, from the first page to the end. */
let browser = null;
const servers = new Map();
/** Pages that a test is done with, by `kindOf`: a new one has to read and compile all modules again. */
const unused = new Map();
after(async () => {
  await browser?.close();
  for (const server of servers.values()) server.close();
});

/**
 * A page with storage of its own. `problems` fills with what must not happen there: exceptions, console
 * errors, and links that failed at this origin.
 *
 * @param {{width?: number, height?: number, scale?: number, language?: string, touch?: boolean}} [options]
 *   CSS pixels; device pixels per CSS pixel
 */
export async function openPage({ width = 1280, height = 800, scale = 1, language = "en-US", touch = false } = {}) {
  browser ??= await playwright.chromium.launch({
    executablePath: executable,
    args: ["--no-sandbox", "--disable-gpu"], // as root in a container, and without a GPU
  });
  const context = await browser.newContext({
    viewport: { width, height },
    deviceScaleFactor: scale,
    locale: language,
    hasTouch: touch,
  });
  const page = await context.newPage();
  const problems = [];
  page.on("pageerror", (error) => problems.push(error.stack ?? String(error)));
  page.on("console", (message) => {
    if (message.type() === "error") problems.push(`${message.text()} (${message.location().url})`);
  });
  return { page, context, problems, close: () => context.close() };
}

/**
 * The editor on tests/web/page.html, drawn once; `editor`, `view` and `commits` are on the page's window.
 *
 * @param {{language?: string, width?: number, height?: number, scale?: number, touch?: boolean,
 *   address?: string}} [options]  the editor's language; CSS pixels, which the editor fills; address of the server
 */
export async function openEditor(options = {}) {
  const { language = "en", address = "127.0.0.1", width = 1280, height = 800, scale, touch } = options;
  if (!servers.has(address)) servers.set(address, await serveFiles(address));
  const kind = JSON.stringify([address, scale, touch]);
  const opened = unused.get(kind)?.pop() ?? (await openPage({ width, height, scale, touch }));
  const { page, context, problems } = opened;
  await page.setViewportSize({ width, height });
  await page.goto(`${servers.get(address).url}/tests/web/page.html?language=${language}`);
  await page.waitForFunction(() => window.view);
  await settle(page);
  return {
    ...opened,
    /** Leave the page as a new one for the next test. */
    async close() {
      await page.goto("about:blank");
      await page.mouse.move(-1, -1);
      await context.clearPermissions();
      const session = await context.newCDPSession(page);
      await session.send("Storage.clearDataForOrigin", { origin: servers.get(address).url, storageTypes: "local_storage" });
      await session.detach();
      problems.length = 0;
      unused.set(kind, [...(unused.get(kind) ?? []), opened]);
    },
  };
}

/** The pack's files over HTTP on a free port. They stay as they are while the tests run, and so are read once. */
async function serveFiles(address) {
  const server = createServer(async (request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url, "http://localhost").pathname));
    try {
      const content = await readFile(join(ROOT, path));
      const type = TYPES[extname(path)] ?? "application/octet-stream";
      response.writeHead(200, { "Content-Type": type, "Cache-Control": "max-age=3600" });
      response.end(content);
    } catch {
      response.writeHead(path === "/favicon.ico" ? 204 : 404).end();
    }
  });
  await new Promise((ready) => server.listen(0, address, ready));
  return {
    url: `http://${address}:${server.address().port}`,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
