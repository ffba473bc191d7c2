"""Put the bundled checkpoint and the examples into the wheel; pyproject.toml says everything else.

In a clone they are beside the package, where ComfyUI's registry and the README show them. A wheel has only packages, so
there they are in smcd_core/bundled.
"""

import glob
import os

from setuptools import setup
from setuptools.command.build_py import build_py

BUNDLED = ("models/*.safetensors", "demo/*")


class BuildWithWeights(build_py):
    def run(self) -> None:
        super().run()
        for source, target in self._bundled():
            self.mkpath(os.path.dirname(target))
            self.copy_file(source, target, preserve_mode=False)

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        return [*super().get_outputs(include_bytecode), *(target for _, target in self._bundled())]

    def get_source_files(self) -> list[str]:
        """For the sdist, from which the wheel is built."""
        return [*super().get_source_files(), *_sources()]

    def _bundled(self) -> list[tuple[str, str]]:
        """Pairs of source and target; none where the package is used in place."""
        if self.editable_mode:
            return []
        return [(path, os.path.join(self.build_lib, "smcd_core", "bundled", path)) for path in _sources()]


def _sources() -> list[str]:
    return sorted(path for pattern in BUNDLED for path in glob.glob(pattern) if os.path.isfile(path))


setup(cmdclass={"build_py": BuildWithWeights})
