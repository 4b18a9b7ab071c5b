"""Completion of commands, flags and their values by bash, and by zsh's bashcompinit."""

from collections.abc import Mapping

from rnnjax import settings

from .command import Command

# Bash splits --cell=gr into the words --cell, = and gr.
SCRIPT = """\
_rnnjax() {{
  local k=$COMP_CWORD word=${{COMP_WORDS[COMP_CWORD]}} words
  if [[ $word == = ]]; then k=$((k + 1)) word=; fi
  if ((k == 1)); then
    words="{commands}"
  elif [[ ${{COMP_WORDS[k - 1]}} == = ]]; then
    case "${{COMP_WORDS[1]}} ${{COMP_WORDS[k - 2]}}" in
{values}
    esac
  else
    case ${{COMP_WORDS[1]}} in
{flags}
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$word"))
  if [[ ${{COMPREPLY[0]}} == *= ]]; then compopt -o nospace 2> /dev/null; fi
}}
complete -o default -F _rnnjax rnnjax"""


def bash(commands: Mapping[str, Command], others: str) -> str:
    """The script; `others` are words that may stand in place of a command."""
    flags, values = [], []
    for name, command in commands.items():
        words = []
        for options in command.options.values():
            for field in settings.fields(options):
                boolean, choices = field.type is bool, field.about.choices
                words.append(f"--{field.name}" + "=" * (not boolean))
                if choices:
                    case = f'"{name} --{field.name}")'
                    values.append(f'      {case} words="{" ".join(choices)}" ;;')
        flags.append(f'      {name}) words="{" ".join(words)} --help" ;;')
    return SCRIPT.format(
        commands=" ".join([*commands, others]),
        flags="\n".join(flags),
        values="\n".join(values),
    )
