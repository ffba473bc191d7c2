"""benchmarks/lora.py runs with the default checkpoint, at a small size."""

import json

import lora
import pytest


@pytest.mark.slow
def test_the_lora_is_loaded_into_the_checkpoint_that_it_was_trained_on(tmp_path, monkeypatch):
    out = tmp_path / "lora.json"
    argv = ["lora.py", "--steps", "1", "--held-out", "1", "--side", "64", "--out", str(out)]
    monkeypatch.setattr("sys.argv", argv)
    lora.main()
    found = json.loads(out.read_text())
    assert found["checkpoint"] == "smcd-world" and found["without"]["error"] > 0
    assert found["whole"]["error"] != found["without"]["error"]
