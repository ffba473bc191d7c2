"""In the real ComfyUI: SMCD Check, and the routes behind the button of Load SMCD, with a hub on this machine."""

import json
import shutil
import time
import urllib.error
import urllib.request

import host
import pytest
from fake_hub import FakeHub, copy_program, random_contents

from smcd_core.weights.published import ALL, FOR_COMFYUI

host.start()  # skips where there is no ComfyUI
# The button has browser tests on the same routes, and the download itself tests of the core.
pytestmark = pytest.mark.slow

MIB = 1 << 20
ROUTE = "/smcd/download"


@pytest.fixture(scope="module")
def contents():
    return random_contents(big=40 * MIB)


@pytest.fixture(scope="module")
def hub(contents):
    with FakeHub(dict(contents)) as found:
        yield found


@pytest.fixture(scope="module")
def server(tmp_path_factory, contents, hub):
    pack = copy_program(tmp_path_factory.mktemp("pack"), contents, whole=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(host, "PACK", pack)
        patch.setenv("HF_ENDPOINT", hub.url)
        patch.delenv("HF_HUB_OFFLINE", raising=False)  # a command that a test before ran in this process sets it
        with host.serve(tmp_path_factory.mktemp("comfy")) as found:
            yield found


@pytest.fixture(autouse=True)
def fresh(server, hub):
    """Nothing is fetched yet, and nothing is running."""
    hub.asked.clear()
    hub.stall_at, hub.status = None, 200
    hub.stalled.clear()
    hub.go_on.clear()
    for place in ("smcd", "vae", "text_encoders"):
        shutil.rmtree(server.base / "models" / place, ignore_errors=True)
    yield
    hub.go_on.set()
    ended(server)


def post(server, body, route=ROUTE, **headers):
    """Status and answer."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"} | {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(server.url + route, data, headers)  # noqa: S310  this machine's own server
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        text = error.read()
        return error.code, json.loads(text) if text.startswith(b"{") else None


def ended(server):
    for _ in range(600):
        state = host.ask(server, ROUTE)["download"]
        if state is None or state["state"] != "running":
            return state
        time.sleep(0.1)
    raise AssertionError(state)


def files_in(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


# What can be asked for -----------------------------------------------------------------------------------------------


def test_the_list_tells_licence_size_and_place_of_each_file(server, hub):
    weights = host.ask(server, ROUTE)["weights"]
    assert [one["name"] for one in weights] == list(FOR_COMFYUI)
    for one in weights:
        assert one["licence"] == ALL[one["name"]].licence and one["page"] == ALL[one["name"]].page
        for file, published in zip(one["files"], ALL[one["name"]].files, strict=True):
            assert file["path"] == str(server.base / "models" / published.place / published.target)
            assert not file["there"] and file["size"] > 0
    assert not hub.asked


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b"null",
        {},
        {"licences_accepted": []},
        {"licences_accepted": "vae"},
        {"licences_accepted": ["vae", "components"]},  # known, but not for ComfyUI
        {"licences_accepted": ["https://example.org/evil.bin"]},
        {"licences_accepted": [{"name": "vae", "url": "https://example.org/evil.bin"}]},
    ],
    ids=str,
)
def test_only_weights_of_the_list_can_be_named(server, hub, body):
    status, answer = post(server, body)
    assert status == 400 and "smcd, vae, text_encoder" in answer["error"]
    assert not hub.asked


@pytest.mark.parametrize(
    "body, content_type",
    [(b"[" * 10**5, "application/json"), (b"{}", "application/json; charset=nothing"), (b"\xff", "application/json")],
    ids=["endless brackets", "unknown charset", "no text"],
)
def test_a_body_that_cannot_be_read_is_the_senders_fault(server, hub, body, content_type):
    status, answer = post(server, body, Content_Type=content_type)
    assert status == 400 and "expected JSON" in answer["error"] and not hub.asked


def test_a_body_that_is_not_packed_as_it_says_is_the_senders_fault(server, hub):
    status, answer = post(server, b"{}", Content_Encoding="gzip")
    assert status == 400 and "expected JSON" in answer["error"] and not hub.asked


def test_nothing_else_of_a_request_counts(server, hub, contents, tmp_path):
    evil = {"url": "http://example.org/evil.bin", "folder": str(tmp_path), "endpoint": "http://example.org"}
    assert post(server, {"licences_accepted": ["vae"], **evil})[0] == 202
    assert ended(server)["state"] == "done"
    (file,) = ALL["vae"].files
    assert (server.base / "models" / "vae" / file.target).read_bytes() == contents["vae", file.name]
    assert not files_in(tmp_path)


def test_a_page_of_another_origin_cannot_start_it(server, hub):
    body = {"licences_accepted": ["vae"]}
    # What a browser lets such a page send without asking first, and what it says of it.
    assert post(server, body, Content_Type="text/plain")[0] == 400
    assert post(server, body, Origin="http://example.org")[0] == 403
    assert post(server, body, Sec_Fetch_Site="cross-site")[0] == 403
    assert post(server, {}, f"{ROUTE}/stop", Content_Type="text/plain")[0] == 400
    assert not hub.asked and not files_in(server.base / "models")


# A download ----------------------------------------------------------------------------------------------------------


def test_it_runs_once_is_stopped_goes_on_and_the_loaders_offer_what_came(server, hub, contents):
    accepted = {"licences_accepted": list(FOR_COMFYUI)}
    hub.stall_at = 22 * MIB
    status, state = post(server, accepted)
    assert status == 202 and state["state"] == "running"
    assert hub.stalled.wait(60)
    assert post(server, accepted)[0] == 409
    for _ in range(100):  # it comes in pieces of 10 MiB
        if (state := host.ask(server, ROUTE)["download"])["done"] == 20 * MIB:
            break
        time.sleep(0.1)
    assert (state["file"], state["done"], state["size"]) == ("pytorch_model.bin (1/5)", 20 * MIB, 40 * MIB)

    post(server, {}, f"{ROUTE}/stop")
    hub.stall_at = None
    hub.go_on.set()
    state = ended(server)
    assert state["state"] == "stopped"
    (part,) = (server.base / "models" / "smcd").rglob("*.part")
    kept = part.stat().st_size
    assert 20 * MIB <= kept < 40 * MIB  # stopped at once, before the next piece

    hub.asked.clear()
    assert post(server, accepted)[0] == 202
    assert ended(server)["state"] == "done"
    assert hub.fetched()[0].start == kept
    for name in FOR_COMFYUI:
        for file in ALL[name].files:
            path = server.base / "models" / file.place / file.target
            assert path.read_bytes() == contents[name, file.name]
    assert not {name for name in files_in(server.base / "models") if name.endswith((".part", ".lock"))}
    assert all(file["there"] for one in host.ask(server, ROUTE)["weights"] for file in one["files"])

    loaders = ("SMCD_Load", "CLIPLoader", "VAELoader")
    offered = {node: json.dumps(host.ask(server, f"/object_info/{node}")) for node in loaders}
    assert "smcd/animate-your-motion" in offered["SMCD_Load"]
    assert ALL["text_encoder"].files[0].target in offered["CLIPLoader"]
    assert ALL["vae"].files[0].target in offered["VAELoader"]


def test_a_failure_says_what_to_fetch_by_hand(server, hub):
    hub.status = 404
    assert post(server, {"licences_accepted": ["vae"]})[0] == 202
    state = ended(server)
    assert state["state"] == "failed" and "the hub answers 404" in state["message"]
    (file,) = ALL["vae"].files
    assert f"  fetch    {ALL['vae'].url(file)}" in state["hand"]
    assert f"  save as  {server.base / 'models' / 'vae' / file.target}" in state["hand"]


# SMCD Check ----------------------------------------------------------------------------------------------------------


def check(server, verify=False):
    prompt = {"1": {"class_type": "SMCD_Check", "inputs": {"verify": verify}}}
    ((_, found),) = [event for event in host.watch(server, {**prompt}).events if event[0] == "executed"]
    return found["output"]["text"][0]


def test_check_says_what_is_missing_and_what_is_damaged(server):
    text = check(server)
    assert f"\n  missing   {server.base}/models/vae/text-to-video-ms-1.7b_vae.safetensors\n" in text
    assert "\nComfyUI   " in text and "ComfyUI   not found" not in text
    (server.base / "models" / "vae").mkdir()
    (server.base / "models" / "vae" / "cut.safetensors").write_bytes(b"\0\1\0\0\0\0\0\0{")
    text = check(server)  # the same prompt again, and not what it gave before
    assert f"\n  damaged   {server.base}/models/vae/cut.safetensors\n" in text


def test_check_finds_the_bundled_checkpoint():
    (text,) = host.call("SMCD_Check")
    assert "models/smcd-world.safetensors\n            system zc+gca" in text.replace("\\", "/")
