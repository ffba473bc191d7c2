"""In ComfyUI's own front end: the workflows for users are those for scripts."""

import asyncio
import json

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
def prompts(tmp_path_factory):
    """What the front end would queue for each workflow: {name: prompt}"""

    async def converted(url):
        async with browser.open_page(url) as page:
            await page.until(READY)
            await page.until("Object.keys(LiteGraph.registered_node_types).includes('SMCD_Load')")
            texts = {name: (FOLDER / f"{name}.json").read_text(encoding="utf-8") for name in NAMES}
            return {name: json.loads(await page.evaluate(LOAD % text)) for name, text in texts.items()}

    with host.serve(tmp_path_factory.mktemp("comfy")) as server:
        return asyncio.run(converted(server.url))


def bare(prompt):
    """Without titles."""
    return {key: {"class_type": node["class_type"], "inputs": node["inputs"]} for key, node in prompt.items()}


@pytest.mark.parametrize("name", NAMES)
def test_the_front_end_makes_the_api_file_of_the_users_file(name, prompts):
    expected = json.loads((FOLDER / "api" / f"{name}.json").read_text(encoding="utf-8"))
    assert bare(prompts[name]) == bare(expected)


def test_every_workflow_comes_in_both_formats_with_a_thumbnail():
    for pattern in ("*.json", "*.jpg"):
        assert sorted(path.stem for path in FOLDER.glob(pattern)) == NAMES
