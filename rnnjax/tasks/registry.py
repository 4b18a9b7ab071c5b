"""All tasks by name. A new task is one file beside this one and one line here."""

from rnnjax.tasks import characters, parameters, units

TASKS = {"parameters": parameters.Parameters, "units": units.Units, "characters": characters.Characters}
