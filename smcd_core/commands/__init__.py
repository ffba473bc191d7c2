"""One module for each command, a hyphen in its name as an underscore.

`add_options(parser)` adds the command's options to its parser, and sets `run`, which takes the parsed arguments and
imports the heavy modules. It sets `extra` too, if these need more packages than the extra "cli" has.
"""

# What the help of smcd says of each command: it is shown without importing any of them.
COMMANDS = {
    "animate": "animate an image whose objects follow boxes",
    "guide": "what other video models take: boxes moved, drawn, or as points",
    "convert": "write a checkpoint in another layout",
    "convert-boxes": "write boxes in the format of another program",
    "info": "report what is installed and what to do next, or describe weights, boxes or a video",
    "download": "fetch the released SMCD and what it needs, licences first",
    "pretrain": "train the small autoencoder or text encoder that the bundled default uses",
    "encode": "turn clips into latents and tokens on disk, for training",
    "train": "train one stage",
    "evaluate": "score a checkpoint, or finished videos: do objects follow their boxes, is the first frame kept",
    "data": "look into training data",
    "finetune": "train a checkpoint further on a folder of videos with captions",
}
