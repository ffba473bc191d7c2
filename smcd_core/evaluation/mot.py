"""MOTChallenge files for TrackEval, which scores identities too (HOTA, IDF1): are two objects of one kind swapped?

    gt/SMCD-all/KEY/gt/gt.txt, seqinfo.ini      the boxes that were asked for
    gt/seqmaps/SMCD-all.txt                     the keys
    trackers/SMCD-all/METHOD/data/KEY.txt       the tracks found in the videos of a method

Source: Luiten et al., HOTA (IJCV 2021); JonathonLuiten/TrackEval, docs/MOTChallenge-Official.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..files import write_text
from ..trajectory.dense import DenseBoxes
from ..trajectory.write import write_mot, write_mot_sequence

BENCHMARK = "SMCD-all"  # benchmark and split in TrackEval's words


class MotFiles:
    """Writes one video after the other."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.sizes: dict[str, tuple[int, int] | None] = {}

    def add(self, method: str, key: str, asked: DenseBoxes, found: DenseBoxes) -> None:
        """Write the tracks of a video with their own ids, and what was asked for when its key comes first.

        Pixels are those of the first method's video, as another one may have another size.
        """
        if key not in self.sizes:
            self.sizes[key] = asked.size
            write_mot_sequence(self.folder / "gt" / BENCHMARK / key, asked.to_trajectory(0.0))
            listed = self.folder / "gt" / "seqmaps" / f"{BENCHMARK}.txt"
            listed.parent.mkdir(parents=True, exist_ok=True)
            write_text(listed, "\n".join(["name", *self.sizes]) + "\n")
        path = self.folder / "trackers" / BENCHMARK / method / "data" / f"{key}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_mot(path, replace(found, size=self.sizes[key]).to_trajectory(0.0))
