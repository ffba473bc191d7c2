"""Write README.md from results/, after running the benchmarks named as arguments, or "all": `report.py step load`.

All of them take about two and a half hours on a small machine that does nothing else. `windows`, `comfyui` and `soak`
need the Python that runs ComfyUI.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

from measure import ROOT, table

HERE = Path(__file__).parent
RESULTS = HERE / "results"
SCRIPTS = {  # built on measure.py, with the options that made the committed numbers
    "step": ["--rounds", "3"],
    "load": ["--rounds", "2"],
    "animate": ["--rounds", "1", "--threads", "1"],
    "comfyui": ["--rounds", "1", "--threads", "1"],
    "windows": ["--tiny", "--rounds", "1"],
    "training": ["--threads", "1"],
    "data": ["--threads", "1"],
    "guides": ["--threads", "1"],
    "soak": [],
}
EXPERIMENTS = ("fast", "mitigations", "mitigations_start")  # write their own results, and print their table
OTHERS = ("versions",)  # needs a checkout of another version, so it is run by hand
PAGES = ("editor_view", "editor_timeline", "editor_model")  # for Node.js; print their table
HEAD = """# Benchmarks

Every claim about speed or memory in this project is a ratio within one run of a script in this folder. Times from two
runs, let alone two machines, cannot be compared: single runs on the machine below differ by up to 10 %.
`python benchmarks/report.py` writes this file from `results/`; `python benchmarks/report.py all` runs everything first,
`... step load` some of it. `python benchmarks/ablation.py` compares the systems of the paper
([results](results/ablation/README.md)), and `python benchmarks/flops.py` counts operations.

Nothing here was measured on a GPU.
"""


def run(name: str) -> None:
    """Run a benchmark, which leaves results/NAME.json, or NAME.txt if it prints its table."""
    if name in SCRIPTS:
        options = [*SCRIPTS[name], "--out", str(RESULTS / f"{name}.json")]
        _call([sys.executable, str(HERE / f"{name}.py"), *options])
        return
    command = ["node", str(HERE / f"{name}.mjs")] if name in PAGES else [sys.executable, str(HERE / f"{name}.py")]
    printed = _call(command)
    if name in PAGES:  # Node.js announces a report on tests where it imports them
        lines = [line.rstrip() for line in printed.strip().splitlines() if not line.startswith("TAP version")]
        (RESULTS / f"{name}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _call(command: list[str]) -> str:
    print("$ " + " ".join(command), file=sys.stderr)
    return subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout  # noqa: S603


def section(name: str) -> str:
    """Format a benchmark as Markdown: description, command, machine, ratios."""
    if name in PAGES:
        body = f"```text\n{(RESULTS / f'{name}.txt').read_text(encoding='utf-8').strip()}\n```"
        return f"## {name}\n\n`node benchmarks/{name}.mjs`\n\n{body}\n"
    about = ast.get_docstring(ast.parse((HERE / f"{name}.py").read_text(encoding="utf-8")))
    result = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    if name in SCRIPTS:
        body = table(result["medians"], result.get("references", 1))
    else:
        from importlib import import_module

        body = import_module(name).table(result["rows"])
    command = " ".join([f"python benchmarks/{name}.py", *SCRIPTS.get(name, [])])
    where = ", ".join(f"{key} {value}" for key, value in result.get("machine", {}).items())
    return f"## {name}\n\n{about}\n\n`{command}`{f' on {where}' if where else ''}\n\n{body}\n"


def main() -> None:
    known = [*SCRIPTS, *EXPERIMENTS, *PAGES]
    chosen = known if sys.argv[1:] == ["all"] else sys.argv[1:]
    for name in chosen:
        if name not in known:
            raise SystemExit(f"there is no benchmark {name}: choose from {', '.join(known)}, all")
        run(name)
    found = [
        name
        for name in [*known, *OTHERS]
        if any((RESULTS / f"{name}{suffix}").is_file() for suffix in (".json", ".txt"))
    ]
    (HERE / "README.md").write_text("\n".join([HEAD, *map(section, found)]), encoding="utf-8")


if __name__ == "__main__":
    main()
