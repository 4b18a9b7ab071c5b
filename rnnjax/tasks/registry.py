"""All tasks by name. A new task is one file beside this one and one line here."""

from rnnjax.tasks import (
    arithmetic,
    characters,
    parameters,
    parentheses,
    random_function,
    units,
)

TASKS = {
    "parameters": parameters.Parameters,
    "units": units.Units,
    "random_function": random_function.RandomFunction,
    "characters": characters.Characters,
    "parentheses": parentheses.Parentheses,
    "arithmetic": arithmetic.Arithmetic,
}
