"""A file of boxes: its text, its lines, what lies beside it, and errors that name it."""

from __future__ import annotations

import configparser
import csv
import json
import math
import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ...files import kind_of
from ...terminal import inert
from ..document import MAX_FRAMES, MAX_OBJECTS, TrajectoryError, unique_keys
from ..rows import MAX_PIXELS, all_are_shares
from .headers import is_header

MAX_BYTES = 512 * 2**20
MAX_ROWS = MAX_FRAMES * MAX_OBJECTS + 1  # lines, with a header
MAX_LINE = 5000  # characters
MAX_DATASET_BYTES = 4 * 2**30  # YouTube-VIS keeps a whole split, with its masks, in one file

_PLAIN = re.compile(r"-?[0-9]{1,15}(\.[0-9]*)?")  # a number of the usual spelling

Row = tuple[str, Sequence[str]]  # where it was found, and its fields


class BoxFileError(TrajectoryError):
    """A file of boxes that cannot be read.

    path, where  the file and the place in it
    option       the argument of `read_trajectory` that settles it, "" if none does
    candidates   values for it
    otherwise    what else would help
    """

    def __init__(
        self,
        path: str | os.PathLike,
        problem: str,
        where: str = "",
        option: str = "",
        candidates: Sequence[Any] = (),
        otherwise: str = "",
    ):
        super().__init__(str(path), problem, where, option, tuple(candidates), otherwise)
        self.path, self.problem, self.where = str(path), problem, where
        self.option, self.candidates, self.otherwise = option, tuple(candidates), otherwise

    @property
    def reason(self) -> str:
        """The message without the name of the file, for those who read it among many and cannot give arguments."""
        advice = " to smcd convert-boxes, and put its result there" if self.candidates else ""
        return self.told(lambda value: f"--box-{self.option} {value}").removeprefix(self.path)[2:] + advice

    def __str__(self) -> str:
        return self.told(lambda value: f"{self.option}={value!r}")

    def told(self, spell: Callable[[Any], str]) -> str:
        """The message for a front end that spells a choice of `option` in its own way, such as "--box-format xyxy"."""
        place = f", {self.where}" if self.where else ""
        choices = " or ".join(map(spell, self.candidates[:5]))
        advice = ", or ".join(part for part in (choices and f"say {choices}", self.otherwise) if part)
        return inert(f"{self.path}{place}: {self.problem}" + (f": {advice}" if advice else ""))


class BoxFile:
    """A file that a reader of a format is given."""

    def __init__(self, path: str | os.PathLike, limit: int | None = None):
        self.path, self.limit = Path(path), limit or MAX_BYTES

    def error(self, reason: str, where: str = "") -> BoxFileError:
        return BoxFileError(self.path, reason, where)

    def choice(self, reason: str, option: str, candidates: Sequence[Any], otherwise: str = "") -> BoxFileError:
        """An error that an argument of `read_trajectory` settles."""
        return BoxFileError(self.path, reason, "", option, candidates, otherwise)

    def beside(self, name: str) -> BoxFile | None:
        path = self.path.parent / name
        return BoxFile(path) if path.is_file() else None

    @cached_property
    def text(self) -> str:
        """Text with \\n at the end of lines and nothing after the last one."""
        return read_text(self.path, self.limit).replace("\r\n", "\n").replace("\r", "\n").rstrip()

    def rows(self) -> Iterator[Row]:
        """The fields of each line, separated by commas, semicolons, tabs or spaces; without comments above them."""
        if self.text.count("\n") >= MAX_ROWS:
            raise self.error(f"has more than {MAX_ROWS} lines, the limit: expected boxes")
        lines = self.text.split("\n")
        above, separator = _above(lines)
        if above == len(lines):
            raise self.error("holds comments only: expected boxes")
        if above and (header := self._header_in(lines[above - 1])):
            yield f"line {above}", header
        if not separator:
            separator = _separator(next((line for line in lines[above:] if line.strip()), "")[:MAX_LINE])
        for number, line in enumerate(lines[above:], above + 1):
            if len(line) > MAX_LINE:
                raise self.error(
                    f"has {len(line)} characters, the limit is {MAX_LINE}: expected boxes", f"line {number}"
                )
            # A header of words need not be separated as the numbers are.
            sign = _separator(line) if separator == " " else separator
            yield f"line {number}", self._fields(line, sign, f"line {number}")

    def _header_in(self, comment: str) -> list[str] | None:
        """The names of columns in a comment, as numpy writes them; None if it is something else."""
        text = comment.strip().lstrip("# ")[:MAX_LINE]
        fields = self._fields(text, _separator(text), "line 1") if '"' not in text else []
        return fields if is_header(fields) else None

    def _fields(self, line: str, separator: str, where: str) -> list[str]:
        if separator == " ":
            return [field.strip('"') for field in re.findall(r'"[^"]*"|\S+', line)] if '"' in line else line.split()
        fields = [field.strip() for field in self._split(line.rstrip(), separator, where)]
        if separator == ",":
            return fields
        return [re.sub(r"^(-?\d+),(\d+)$", r"\1.\2", field) for field in fields]

    def _split(self, line: str, delimiter: str, where: str) -> list[str]:
        if '"' not in line:
            return line.split(delimiter)
        try:
            return next(csv.reader([line], delimiter=delimiter, skipinitialspace=True))
        except csv.Error as error:
            raise self.error(f"is not comma-separated: {error}", where) from None

    def numbers(self, fields: Sequence[str], names: str, where: str) -> list[float]:
        """The fields as finite numbers, one for each of the comma-separated names."""
        if len(fields) == 1 and not fields[0] or not fields:
            raise self.error("is empty: expected boxes", where)
        if len(fields) != len(names.split(",")):
            raise self.error(f"found {len(fields)} fields, expected {names}", where)
        if all(map(_PLAIN.fullmatch, fields)):  # as most are
            return list(map(float, fields))
        return [self.number(field, names, where) for field in fields]

    def number(self, field: str, names: str, where: str) -> float:
        try:
            value = float(field)
        except ValueError:
            value = math.nan
        if not math.isfinite(value) or "_" in field or not field.isascii():  # Python reads 1_0 and Arabic digits
            raise self.error(f"found {field[:40]!r}, expected a number in each of {names}", where)
        return value

    def untracked(self, identity: float, where: str) -> BoxFileError:
        return self.error(
            f"found id {identity:g}, a detection that no tracker has joined to an object: run a tracker, or give the "
            "rows of each object a number of its own",
            where,
        )

    def corners(self, box: Sequence[float], is_xywh: bool, where: str, otherwise: str = "") -> list[float]:
        """xyxy from x1, y1, x2, y2 or from x, y, width, height in pixels. `otherwise`: what else corners may be."""
        if not all(abs(value) <= MAX_PIXELS for value in box):
            raise self.error(f"found box {list(box)}, expected numbers of up to {MAX_PIXELS} pixels", where)
        x, y, a, b = box
        x2, y2 = (x + a, y + b) if is_xywh else (a, b)
        if x2 < x or y2 < y:
            rule = "width and height of 0 or more" if is_xywh else f"x1 <= x2 and y1 <= y2{otherwise}"
            raise self.error(f"found box {list(box)}, expected {rule}", where)
        return [x, y, x2, y2]

    def refuse_shares(self, xyxy: np.ndarray, program: str, unit: str = "pixels") -> None:
        """Raise BoxFileError for boxes [K, 4] in shares of the frame, where the format has another unit."""
        if all_are_shares(xyxy):
            found = "all numbers are 0 to 1, which are shares of the picture"
            raise self.error(f"{found}, not {unit} as {program} has them")

    def json_box(self, box: Any, where: str) -> list[float]:
        """xyxy from a JSON value [x, y, width, height] in pixels."""
        if not isinstance(box, list) or not all(type(value) in (int, float) for value in box):
            raise self.error(f"found box {str(box)[:60]}, expected [x, y, w, h] or null", where)
        if len(box) != 4:
            raise self.error(f"found {len(box)} fields in box {str(box)[:60]}, expected x,y,w,h", where)
        return self.corners(box, True, where)

    def json(self, unread: Sequence[str] = ()) -> Any:
        """The content of a JSON file, without the keys that nobody reads, such as masks."""

        def lean(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
            entry = unique_keys(pairs)
            for name in unread:
                entry.pop(name, None)
            return entry

        try:
            return json.loads(self.text, object_pairs_hook=lean)
        except TrajectoryError as error:
            raise self.error(str(error)) from None
        except RecursionError:
            raise self.error("is nested too deeply to hold boxes") from None
        except ValueError as error:
            raise self.error(f"is not JSON: {str(error)[:200]}") from None

    def ini(self, section: str) -> Mapping[str, str]:
        """A section of an ini file."""
        parser = configparser.ConfigParser(interpolation=None, strict=False)
        try:
            parser.read_string(self.text)
            return parser[section]
        except (configparser.Error, KeyError) as error:
            raise self.error(f"expected [{section}] and lines of name and value: {error}") from None

    def setting(self, settings: Mapping[str, str], name: str, otherwise: float) -> float:
        """A number of an ini file; a unit after it ("10Hz") is dropped."""
        if name not in settings:
            return otherwise
        number = re.match(r"\d{1,9}(\.\d{1,9})?", settings[name], re.ASCII)
        if not number:
            raise self.error(f"found {name} {settings[name][:40]!r}, expected a number")
        return float(number[0])


def read_text(path: Path, limit: int) -> str:
    """The text of a UTF-8 file."""
    try:
        about = path.stat()
        size = about.st_size
        if not stat.S_ISREG(about.st_mode) and not stat.S_ISDIR(about.st_mode):
            raise BoxFileError(path, "is a pipe or device, not a file")
        if size > limit:
            raise BoxFileError(path, f"has {size} bytes, the limit is {limit}")
        data = path.read_bytes()
        text = data.decode("utf-8-sig")
        if "\0" in text:
            raise UnicodeDecodeError("utf-8", data, data.index(0), data.index(0) + 1, "a zero")
        return text
    except UnicodeDecodeError as error:
        if kind := kind_of(data):
            raise BoxFileError(path, f"is {kind}: expected boxes, such as a trajectory .json") from None
        is_utf16 = data.startswith((b"\xff\xfe", b"\xfe\xff"))
        found = ", but UTF-16" if is_utf16 else ""
        raise BoxFileError(path, f"is not UTF-8 text (byte {error.start}){found}: save it as UTF-8") from None
    except OSError as error:
        raise BoxFileError(path, f"cannot be read: {error.strerror}") from None


def _above(lines: Sequence[str]) -> tuple[int, str]:
    """How many lines stand above the boxes: comments, and Excel's sep=; and the separator that it names, or ""."""
    separator = ""
    for number, line in enumerate(lines):
        told = re.fullmatch(r'"?sep=([\t -~])"?', line, re.IGNORECASE) if number == 0 else None
        if told:
            separator = told[1]
        # A column of row numbers may be called #.
        elif not re.match(r"\s*#(?! *[,;\t])", line) and (line.strip() or not number):
            return number, separator
    return len(lines), separator


def _separator(line: str) -> str:
    """The sign between the fields of a line. Decimal commas are found between semicolons or tabs."""
    bare = re.sub(r'"[^"]*("|$)', "", line.strip())
    for sign in ";\t":
        parts = bare.split(sign)
        if len(parts) > 1 and all("," not in part or re.fullmatch(r" *-?\d+,\d+ *", part) for part in parts):
            return sign
    return "," if "," in bare else "\t" if "\t" in bare else " "


def is_absent(box: Sequence[str]) -> bool:
    """Whether the fields of a box stand for a frame without the object: all are 0, -1, NaN or empty."""
    if not box or box[0][:1].lower() not in ("", "0", "-", "n"):
        return False  # as most are
    return {re.sub(r"\.0*$", "", field.lower()) for field in box} in ({"0"}, {"-1"}, {"nan"}, {""})


def is_number(field: str) -> bool:
    return bool(re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?nan", field.lower(), re.ASCII))


def same_id(name: str) -> str:
    """1, 1.0 and 01 are one id."""
    if re.fullmatch(r"-?\d{1,15}(\.0*)?", name, re.ASCII):
        return str(int(float(name)))
    return name


def natural(name: str) -> list[str | int]:
    """A sort key for which frame2 comes before frame10."""
    return [int(part) if place % 2 else part for place, part in enumerate(re.split(r"([0-9]{1,18})", name))]
