"""In ComfyUI's own front end: the workflows for users are those for scripts."""

import asyncio
import contextlib
import json
import time

import browser
import host
import pytest

host.start()  # skips where there is no ComfyUI
browser.path()  # or no browser

FOLDER = host.PACK / "workflows"
NAMES = sorted(path.stem for path in (FOLDER / "api").glob("*.json"))
READY = "!!(window.app && window.app.graph && window.app.extensionManager)"
LOAD = "app.loadGraphData(%s).then(() => app.graphToPrompt()).then(({output}) => JSON.stringify(output))"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with host.serve(tmp_path_factory.mktemp("comfy")) as found:
        yield found


@contextlib.asynccontextmanager
async def front_end(server):
    async with browser.open_page(server.url) as page:
        await page.until(READY)
        await page.until("Object.keys(LiteGraph.registered_node_types).includes('SMCD_Load')")
        yield page


@pytest.fixture(scope="module")
def prompts(server):
    """What the front end would queue for each workflow: {name: prompt}"""

    async def converted():
        async with front_end(server) as page:
            texts = {name: (FOLDER / f"{name}.json").read_text(encoding="utf-8") for name in NAMES}
            return {name: json.loads(await page.evaluate(LOAD % text)) for name, text in texts.items()}

    return asyncio.run(converted())


def bare(prompt):
    """Without titles."""
    return {key: {"class_type": node["class_type"], "inputs": node["inputs"]} for key, node in prompt.items()}


@pytest.mark.parametrize("name", NAMES)
def test_the_front_end_makes_the_api_file_of_the_users_file(name, prompts):
    expected = json.loads((FOLDER / "api" / f"{name}.json").read_text(encoding="utf-8"))
    assert bare(prompts[name]) == bare(expected)


def test_the_quick_start_runs_as_a_user_gets_it(server):
    """Loaded and queued in the front end, with the bundled default, from nothing."""
    text = (FOLDER / "quick_start.json").read_text(encoding="utf-8")

    async def pressed():
        async with front_end(server) as page:
            await page.evaluate(f"app.loadGraphData({text}).then(() => app.queuePrompt(0))")

    asyncio.run(pressed())
    for _ in range(600):
        (run,) = host.ask(server, "/history").values() or [None]
        if run:
            break
        time.sleep(0.5)
    assert run["status"]["status_str"] == "success", run["status"]
    assert len(list((server.base / "output" / "SMCD").glob("quick_start*.mp4"))) == 1


def test_every_workflow_comes_in_both_formats_with_a_thumbnail():
    for pattern in ("*.json", "*.jpg"):
        assert sorted(path.stem for path in FOLDER.glob(pattern)) == NAMES
