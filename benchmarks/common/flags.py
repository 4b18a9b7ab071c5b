"""Command-line flags made of dataclass fields; see `rnnjax.settings`.

Each command has a set of flags of its own (an absl `FlagValues`), so `--help` lists
exactly the flags it takes, and any other flag is unknown. A flag is parsed once, into
the type of its field; nothing else reads flags.
"""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from absl import flags

from rnnjax import settings

WIDTH = 80


class _Parser(flags.ArgumentParser[Any]):
    """Turns the text of a flag into the value of its field."""

    def __init__(self, field: settings.Field):
        self.field = field

    def parse(self, argument: Any) -> Any:
        if not isinstance(argument, str):
            return argument
        try:
            value = _convert(self.field, argument)
            settings.check(self.field, value)
        except settings.SettingError as error:
            raise ValueError(f"{error.problem}; allowed: {error.allowed}") from None
        return value


class _Serializer(flags.ArgumentSerializer[Any]):
    def serialize(self, value: Any) -> str:
        return settings.text(value)


def _convert(field: settings.Field, text: str) -> Any:
    """The value that a text stands for. Raises `settings.SettingError`."""
    kind = settings.element_type(field)
    if not settings.is_list(field):
        return _entry(field, kind, text)
    if field.about.all_choices and text == "all":
        assert field.about.choices is not None
        return tuple(field.about.choices)
    entries = [_entry(field, kind, word.strip()) for word in text.split(",")]
    return tuple(sorted(entries)) if kind is int else tuple(entries)


def _entry(field: settings.Field, kind: Any, word: str) -> Any:
    def wrong(problem: str, allowed: str = "") -> settings.SettingError:
        words = allowed or settings.allowed(field)
        return settings.SettingError(field.name, word, problem, words)

    if kind is int:
        if not word.strip().lstrip("-").isdecimal():
            raise wrong(f"{word!r} is no such number" if word else "no number")
        return int(word)
    if kind is float:
        return _number(word, wrong("not such a number"))
    if kind is settings.Range:
        error = wrong("not such a number or range")
        ends = [_number(end, error) for end in word.split(":")]
        if len(ends) > 2:
            raise error
        return settings.Range(ends[0], ends[-1])
    if settings.is_list(field) and not word:
        raise wrong("empty entry", "a comma list such as a,b")
    return word


def _number(word: str, error: settings.SettingError) -> float:
    try:
        return float(word)
    except ValueError:
        raise error from None


def define(*configs: type) -> flags.FlagValues:
    """The flags of the settings of some dataclasses."""
    values = flags.FlagValues()
    for config in configs:
        for field in settings.fields(config):
            about = field.about.help
            if field.type is bool:
                flags.DEFINE_bool(field.name, field.default, about, values)
            else:
                parser, serializer = _Parser(field), _Serializer()
                flags.DEFINE(
                    parser, field.name, field.default, about, values, serializer
                )
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
    parts = [f"Usage: {usage}", "", about.strip(), ""]
    for title, config in sections.items():
        parts += [f"{title}:", ""]
        for field in settings.fields(config):
            parts += _flag_help(field, presets.get(field.name))
        parts.append("")
    parts.append("JAX's own flags, such as --jax_platforms=cpu, are taken as well.")
    return "\n".join(parts)


def _flag_help(field: settings.Field, preset: str | None) -> list[str]:
    name = f"--[no]{field.name}" if field.type is bool else f"--{field.name}"
    default = preset or (
        None if field.default is None else settings.text(field.default)
    )
    if field.type is bool:
        default = None if not field.default else "true"
    text = field.about.help
    if field.about.choices is not None:
        text += f" One of: {', '.join(field.about.choices)}."
        if settings.is_list(field):
            text = text.replace(" One of:", " A comma list of:")
        if field.about.all_choices:
            text = text.replace(" A comma list of:", " all, or a comma list of:")
    if default:
        text += f" (default: {default})"
    wrapped = textwrap.wrap(
        text, WIDTH, initial_indent="      ", subsequent_indent="      "
    )
    return [f"  {name}", *wrapped]
