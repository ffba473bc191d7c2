"""One module for each group of commands: `add_parser(subparsers)` sets `run`, which takes the parsed arguments."""
