"""Generated clips of the world that the bundled model was trained on, of a split that it never saw.

Their objects are cut-outs of textures that can only be known from the first frame, and some coloured sprites;
moved_content.py explains rows and scores. Writes a contact sheet of every clip, all of them in one picture, and the
scores to --folder. Takes three minutes for 16 clips on one core.
"""

from __future__ import annotations

from pathlib import Path

from moved_content import make_and_score, options

from smcd_core.data.world import WorldClips


def main() -> None:
    parser = options(__doc__, Path("out/world"))
    parser.add_argument("--clips", type=int, default=16)
    args = parser.parse_args()
    clips = list(WorldClips(args.clips, split="test"))
    make_and_score(args, clips, [f"{number:03d}" for number in range(len(clips))])


if __name__ == "__main__":
    main()
