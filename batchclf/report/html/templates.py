"""The page's templates: the built-in ones, a user's folder that replaces some of them, and their named blocks."""

import importlib
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

import jinja2
from jinja2.bccache import Bucket
from platformdirs import user_cache_path

from batchclf.errors import BatchclfError
from batchclf.report.sections.section_list import SECTIONS, Section, early_sections

BUILT_IN = "batchclf/"
"""With this before its name a built-in template is reached even where a user's folder replaces it."""

_SECTIONS = "{# sections #}\n"
_BLOCK = re.compile(r"\{#-?\s*(?P<about>[^#]*?)\s*-?#\}\s*\{%-?\s*block\s+(?P<name>\w+)")


@dataclass(frozen=True, slots=True)
class Block:
    """A named piece of a template that a template of the same name can replace; `about` says what it is."""

    template: str
    name: str
    about: str


def list_blocks() -> tuple[Block, ...]:
    """List the blocks of the built-in templates, by template, in the order in which they stand there.

    Raises BatchclfError where the templates are missing from the installation.
    """
    blocks = []
    for file in sorted(_built_in().iterdir(), key=lambda file: file.name):
        if file.name.endswith(".html"):
            for found in _BLOCK.finditer(_text(file)):
                blocks.append(Block(file.name, found["name"], " ".join(found["about"].split())))
    return tuple(blocks)


def environment(folder: Path | None) -> jinja2.Environment:
    """Make what finds templates: in `folder`, then among the built-in ones.

    What stands in a user's folder may change between two pages; the built-in templates do not. Raises BatchclfError
    where `folder` is no folder or replaces nothing, or the built-in ones are missing.
    """
    return _environment(_Loader(folder)) if folder else _built_in_environment()


@cache
def _built_in_environment() -> jinja2.Environment:
    return _environment(_Loader(None))


def _environment(loader: jinja2.BaseLoader) -> jinja2.Environment:
    return jinja2.Environment(
        loader=loader,
        bytecode_cache=_CompiledTemplates(),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


class _CompiledTemplates(jinja2.FileSystemBytecodeCache):
    """Keeps compiled templates in the user's cache folder, since compiling them takes 0.3 s; or goes without."""

    def _get_default_cache_dir(self) -> str:
        folder = user_cache_path("batchclf") / "templates"
        with suppress(OSError, RuntimeError):  # RuntimeError: there is no home folder
            folder = folder.expanduser()
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return str(folder)

    def load_bytecode(self, bucket: Bucket) -> None:
        """Take what was compiled from the same text; nothing where it cannot be read, whatever is wrong with it."""
        try:
            super().load_bytecode(bucket)
        except Exception:
            # A cached file that is damaged is passed over (decision 081)
            bucket.reset()

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep what was compiled, if the folder can be written."""
        with suppress(OSError):
            super().dump_bytecode(bucket)


class _Loader(jinja2.BaseLoader):
    """Looks in a user's folder first."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self.built_in = _built_in()
        if folder is not None:
            _check(folder, {file.name for file in self.built_in.iterdir()})

    def get_source(
        self, environment: jinja2.Environment, template: str
    ) -> tuple[str, str | None, Callable[[], bool] | None]:
        """Find a template's text; its path is what errors name."""
        if self.folder is not None and not template.startswith(BUILT_IN):
            own = self.folder / template
            if own.is_file():
                return _read(own), str(own), None
        # batchclf/NAME is always the built-in one, so a file can extend what it replaces (decision 073)
        file = self.built_in / template.removeprefix(BUILT_IN)
        if not file.is_file():
            raise jinja2.TemplateNotFound(template)
        return _text(file), str(file), None


def _text(file: Traversable) -> str:
    """Read a built-in template; in report.html the sections take the place of their mark."""
    text = file.read_text("utf-8")
    # Names of Jinja2's blocks are fixed, so a loop in the template could not give each section its own (decision 135)
    return text.replace(_SECTIONS, _section_blocks()) if _SECTIONS in text else text


def _section_blocks() -> str:
    """Put the blocks of all sections below each other.

    A block stands in one place, but can be shown in another: the early ones are shown below the numbers, the first.
    """
    early, blocks = early_sections(), []
    shown_early = "".join(f"{{{{ self.{each.block}() }}}}\n" for each in early)
    for each in SECTIONS:
        block = _section_block(each)
        blocks.append(f"{{% if view.is_labelled %}}\n{block}{{% endif %}}\n" if each in early else block)
    blocks.insert(1, f"{{% if not view.is_labelled %}}\n{shown_early}{{% endif %}}\n")
    return "".join(blocks)


def _section_block(section: Section) -> str:
    """Include the template of a section in a block, below the comment with which that begins."""
    name = f"{section.name}.html"
    about = _built_in().joinpath(name).read_text("utf-8").partition("#}")[0]
    return f"""{about}See {name}. #}}
{{% block {section.block} %}}
{{% if view.{section.attribute} %}}
{{% include "{name}" %}}
{{% endif %}}
{{% endblock {section.block} %}}
"""


def _check(folder: Path, known: set[str]) -> None:
    if not folder.is_dir():
        raise BatchclfError(
            f"the templates folder {folder} is not there or not a folder",
            hint="Name a folder that holds templates such as report.html.",
        )
    if not any(file.name in known for file in folder.iterdir()):
        names = ", ".join(sorted(name for name in known if name.endswith((".html", ".css"))))
        raise BatchclfError(
            f"no file in {folder} has the name of one of batchclf's templates",
            hint=f"Give one of these names to what shall replace it: {names}.",
        )


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise BatchclfError(f"the template {file} is not UTF-8 text: {error}", hint="Save it as UTF-8.") from error
    except OSError as error:
        raise BatchclfError(
            f"the template {file} cannot be read: {error.strerror}", hint="Check its permissions."
        ) from error


def _built_in() -> Traversable:
    """Find the templates: installed as a package, or beside the package in a plain checkout."""
    try:
        folder = resources.files(importlib.import_module("batchclf.templates"))
    except ModuleNotFoundError:
        folder = Path(__file__).parents[3] / "templates"
    if not (folder / "report.html").is_file():
        raise BatchclfError(
            f"the report's templates are not in {folder}",
            hint="The installation is damaged; install batchclf again.",
        )
    return folder


def template_error(error: Exception, folder: Path) -> BatchclfError | None:
    """Say where in the user's templates something went wrong; None where it was not in them."""
    if isinstance(error, jinja2.TemplateSyntaxError):
        place: tuple[str, int] | None = (error.filename or error.name or "", error.lineno)
    else:
        place = _last_place(error, folder)
    if place is None or not Path(place[0]).is_relative_to(folder):
        return None
    what = f"there is no template {error}" if isinstance(error, jinja2.TemplateNotFound) else str(error)
    return BatchclfError(
        f"{place[0]}, line {place[1]}: {what or type(error).__name__}",
        hint="Correct the template. `batchclf report --list-blocks` names the blocks; the page is `view`.",
    )


def _last_place(error: Exception, folder: Path) -> tuple[str, int] | None:
    """Find the innermost line of the folder's templates in the traceback, which Jinja2 rewrites to their lines."""
    place, traceback = None, error.__traceback__
    while traceback is not None:
        file = traceback.tb_frame.f_code.co_filename
        if Path(file).is_relative_to(folder):
            place = (file, traceback.tb_lineno)
        traceback = traceback.tb_next
    return place
