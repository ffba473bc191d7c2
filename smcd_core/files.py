"""Write files atomically, and look before the work whether a place can be written to."""

from __future__ import annotations

import codecs
import os
import re
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from .errors import SMCDError

_LEFT_AFTER = 3600  # seconds; no file or folder takes so long to write
_NAME_BYTES = 180  # of a file's name in that of its temporary file: file systems end at 255

_SIGNATURES = (  # how files begin that are easily given for others
    (rb"\x89PNG", "a PNG image"),
    (rb"\xff\xd8\xff", "a JPEG image"),
    (rb"GIF8", "a GIF image"),
    (rb"BM.{4}\0{4}", "a BMP image"),
    (rb"II\*\0|MM\0\*", "a TIFF image"),
    (rb"RIFF.{4}WEBP", "a WebP image"),
    (rb".{4}ftyp|\x1aE\xdf\xa3|RIFF.{4}AVI ", "a video"),
    (rb"PK\x03\x04", "a zip archive"),
    (rb"%PDF", "a PDF"),
    (rb"\x93NUMPY", "an array of numpy"),
    (rb"GGUF", "a GGUF file of quantised weights"),
)


def kind_of(start: bytes) -> str:
    """The kind of a file that begins so, "" if it is not known."""
    return next((kind for signature, kind in _SIGNATURES if re.match(signature, start, re.DOTALL)), "")


def is_text(start: bytes) -> bool:
    """Whether a file that begins so is UTF-8 text. Its last character may be cut."""
    try:
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(start)
    except UnicodeDecodeError:
        return False
    return "\0" not in text


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file that replaces `path` once it is written; if that fails, it is deleted.

    Whoever may read the files that the user makes may read it, also where a library such as safetensors writes it anew
    for the user alone.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(path)
    temporary = temporary_beside(path)
    try:
        with naming(path, temporary):
            temporary.unlink(missing_ok=True)  # nothing that was put there is followed or written to
            with temporary.open("xb") as stream:
                mode = os.fstat(stream.fileno()).st_mode
            temporary.unlink()
            yield temporary
            temporary.chmod(mode)
            with temporary.open("rb+") as stream:
                os.fsync(stream.fileno())
        os.replace(temporary, path)
    finally:
        with suppress(OSError):  # on a read-only disk, instead of the error that named the file
            temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text that appears under its name only when it is complete; line ends are those of the text."""
    write_texts({path: text})


def write_texts(texts: Mapping[Path, str]) -> None:
    """The same for several files, which appear only when all of them are complete."""
    with ExitStack() as stack:
        for path, text in texts.items():
            temporary = stack.enter_context(replacing(path))
            with naming(path, temporary):
                temporary.write_bytes(text.encode("utf-8"))


@contextmanager
def filling(folder: Path) -> Iterator[Path]:
    """A folder to write files into. A new one gets its name when it is filled; in one that is there, each file does."""
    if folder.exists():
        yield folder
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(folder)
    new = temporary_beside(folder)
    try:
        new.mkdir()
        yield new
        new.rename(folder)
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(folder)) from error
    finally:
        shutil.rmtree(new, ignore_errors=True)


@contextmanager
def naming(path: Path, temporary: Path | None = None) -> Iterator[None]:
    """Put the file's name into an OSError of writing to it: a full disk gives none, others the temporary one."""
    own = (None, *((str(temporary), as_address(temporary)) if temporary else ()))
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename not in own:
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error


def as_address(path: Path) -> str:
    """A name that FFmpeg cannot take for an address: http:host?x.mp4 is a valid name of a file."""
    return f"file:{os.path.abspath(path)}"


def temporary_beside(path: Path, word: str = "tmp") -> Path:
    """A hidden name beside `path`, for this process alone."""
    return path.with_name(f".{_short(path)}.{os.getpid()}.{word}")


def remove_leftovers(path: Path) -> None:
    """Delete what killed processes left of writing `path`."""
    pattern = re.compile(re.escape(f".{_short(path)}.") + r"\d+\.(tmp|old)")
    for entry in os.scandir(path.parent):
        try:
            if pattern.fullmatch(entry.name) and time.time() - entry.stat(follow_symlinks=False).st_mtime > _LEFT_AFTER:
                if entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(entry.path)
                else:
                    os.unlink(entry.path)
        except OSError:
            continue  # of somebody else


def check_writable(path: str | os.PathLike) -> None:
    """Raise SMCDError or OSError if nothing could be written at `path`, whose folders need not exist yet."""
    path = Path(path).absolute()
    with suppress(FileNotFoundError, NotADirectoryError):
        path.lstat()  # its name may be too long
    _check_nearest(path, path.parents)


def check_folder(path: str | os.PathLike) -> None:
    """Raise SMCDError or OSError if nothing could be written into the folder, which need not exist yet."""
    path = Path(path).absolute()
    _check_nearest(path, (path, *path.parents))


def _check_nearest(path: Path, folders: Iterable[Path]) -> None:
    """Check the first of the folders that exists, into which `path` goes."""
    existing = next(folder for folder in folders if folder.exists())
    if not existing.is_dir():
        raise SMCDError(f"{path}: {existing} is a file, not a folder: name another place")
    probe = temporary_beside(existing / path.name)
    try:  # os.access would say yes to root in /proc, and to anybody in a folder of Windows
        probe.open("xb").close()
    except OSError as error:
        raise SMCDError(
            f"{path}: the folder {existing} cannot be written to ({error.strerror}): name another place"
        ) from None
    finally:
        probe.unlink(missing_ok=True)


def _short(path: Path) -> str:
    return path.name.encode("utf-8", "surrogateescape")[:_NAME_BYTES].decode("utf-8", "ignore")
