"""Command-line flags made of dataclass fields; see `rnnjax.settings`.

Each command has a set of flags of its own (an absl `FlagValues`), so `--help` lists
exactly the flags it takes, and any other flag is unknown. A flag is parsed once, into
the type of its field; nothing else reads flags.
"""

import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from absl import flags

from rnnjax import settings

WIDTH = 80  # columns of --help
INDENT = 6 * " "
WHOLE_NUMBER = re.compile(r"-?[0-9]{1,18}")
BOOLEANS = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}


class _Parser(flags.ArgumentParser[Any]):
    """Turns the text of a flag into the value of its field."""

    def __init__(self, field: settings.Field):
        self.field = field

    def parse(self, argument: Any) -> Any:
        if not isinstance(argument, str):
            return argument
        value = _convert(self.field, argument)
        try:
            settings.check(self.field, value)
        except settings.SettingError as error:
            raise ValueError(f"{error.problem}; allowed: {error.allowed}") from None
        numbers = self.field.type in (tuple[int, ...], tuple[float, ...])
        return tuple(sorted(value)) if numbers else value


def _convert(field: settings.Field, text: str) -> Any:
    """The value that a text stands for; a word that stands for none remains text."""
    kind = settings.element_type(field)
    if not settings.is_list(field):
        return _entry(kind, text)
    if field.about.all_choices and text == "all":
        assert field.about.choices is not None
        return tuple(field.about.choices)
    return tuple(_entry(kind, word.strip()) for word in text.split(","))


def _entry(kind: Any, word: str) -> Any:
    try:
        if kind is bool:
            return BOOLEANS[word.lower()]
        if kind is int:
            return int(word) if WHOLE_NUMBER.fullmatch(word.strip()) else word
        if kind is float:
            return float(word)
        if kind is settings.Range:
            ends = [float(end) for end in word.split(":", 1)]
            return settings.Range(ends[0], ends[-1])
    except (KeyError, ValueError):
        pass
    return word


def define(*configs: type) -> flags.FlagValues:
    """The flags of the settings of some dataclasses."""
    values = flags.FlagValues()
    for config in configs:
        for field in settings.fields(config):
            flag = flags.Flag[Any](
                _Parser(field),
                None,
                field.name,
                field.default,
                field.about.help,
                boolean=field.type is bool,
            )
            flags.DEFINE_flag(flag, values)
    return values


def parse(argv: Sequence[str], words: Sequence[str], *configs: type) -> dict[str, Any]:
    """The flags that stand on a command line, by name, with their values.

    `argv` begins with the name of the program. `words` are the names of the arguments
    that are no flags, such as RUN_DIR; their values are in the result under these
    names.

    Raises `flags.Error` for a wrong command line.
    """
    values = define(*configs)
    _refuse_repeated(argv, values)
    rest = values(argv)[1:]
    allowed = " and ".join([*words, "flags, which begin with --"])
    if missing := words[len(rest) :]:
        raise flags.Error(f"{missing[0]}: not given; allowed: {allowed}")
    if extra := rest[len(words) :]:
        known = extra[0].split("=")[0] in values
        raise flags.Error(
            f"{extra[0]!r} is no flag; allowed: {f'--{extra[0]}' if known else allowed}"
        )
    given = {name: values[name].value for name in values if values[name].present}
    return given | dict(zip(words, rest))


def _refuse_repeated(argv: Sequence[str], values: flags.FlagValues) -> None:
    words = [word for word in argv[1:] if word.startswith("-")]
    names = [word.lstrip("-").split("=")[0] for word in words]
    for name in names:
        if name in values and names.count(name) > 1:
            same = " ".join(w for w, other in zip(words, names) if other == name)
            raise flags.Error(f"{same}: given more than once; allowed: every flag once")


def help_text(
    usage: str,
    about: str,
    sections: Mapping[str, type],
    presets: Mapping[str, str] = {},
) -> str:
    """What `--help` prints: usage, description, and the flags of each section.

    `presets` says of fields whose default depends on a preset what it is in each.
    """
    parts = [f"Usage: {usage}", "", *_description(about), ""]
    for title, config in sections.items():
        parts += [f"{title}:", ""]
        for field in settings.fields(config):
            parts += _flag_help(field, presets.get(field.name))
        parts.append("")
    parts.append("JAX's own flags, such as --jax_platforms=cpu, are taken as well.")
    return "\n".join(parts)


def _description(about: str) -> list[str]:
    """A text in lines of the width of --help; those of indented commands stay."""
    paragraphs = [
        textwrap.indent(textwrap.dedent(text), "  ")
        if text.startswith(" ")
        else textwrap.fill(text, WIDTH)
        for text in about.strip().split("\n\n")
    ]
    return "\n\n".join(paragraphs).split("\n")


def _flag_help(field: settings.Field, preset: str | None) -> list[str]:
    about, text = field.about, field.about.help
    if about.choices is not None:
        start = "A comma list of" if settings.is_list(field) else "One of"
        start = "The word all, or a comma list of" if about.all_choices else start
        text += f" {start}: {', '.join(about.choices)}."
    if field.type is bool:
        name, default = f"--[no]{field.name}", "true" if field.default else None
    else:
        name = f"--{field.name}"
        given = None if field.default is None else settings.text(field.default)
        default = preset or given
    if default:
        text += f" (default: {default})"
    wrapped = textwrap.wrap(
        text, WIDTH, initial_indent=INDENT, subsequent_indent=INDENT
    )
    return [f"  {name}", *wrapped]
