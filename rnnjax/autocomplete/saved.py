"""Trained networks in a run folder, in networks/<cell>-n<units>-l<layers>-s<seed>."""

from etils import epath

from rnnjax import networks
from rnnjax.autocomplete.config import Config
from rnnjax.autocomplete.experiment import lane_state
from rnnjax.autocomplete.summary import Shape
from rnnjax.cells import registry
from rnnjax.cells.cell import Variables
from rnnjax.engine import lanes
from rnnjax.engine.grid import GridPart
from rnnjax.results import networks as networks_on_disk
from rnnjax.results.schema import Row

DESCRIBED = ("cell", "hidden_size", "layers", "seed", "classes")


def network_folder(folder: epath.Path, row: Row) -> epath.Path:
    """Where the network of a row is saved."""
    cell = registry.file_name(row["cell"])
    name = f"{cell}-n{row['hidden_size']}-l{row['layers']}-s{row['seed']}"
    return folder / "networks" / name


def save(config: Config, folder: epath.Path, result: lanes.Result) -> None:
    """Saves the networks of a finished group, except those that diverged."""
    for lane, row in enumerate(result.rows):
        if row["status"] == "trained":
            variables = lane_state(result.state, lane).training.params
            description = {key: row[key] for key in DESCRIBED}
            description |= {"task": "autocomplete", "text_sha256": config.sha256}
            networks_on_disk.save(network_folder(folder, row), description, variables)


def part_bytes(config: Config, part: GridPart) -> float:
    """The bytes that the networks of a shape take on disk, about."""
    cell, _, hidden_size, layers = part.shape
    network = config.network(Shape(cell, layers, hidden_size))
    weights = 4 * networks.parameter_count(network)
    return len(part.seeds) * networks_on_disk.size_on_disk(weights)


def load(
    config: Config, folder: epath.Path, row: Row
) -> tuple[networks.Network, Variables]:
    """The trained network of a row. Raises `files.FolderError` if it is damaged."""
    network = config.network(Shape(row["cell"], row["layers"], row["hidden_size"]))
    shapes = networks.shapes(network)
    return network, networks_on_disk.load(network_folder(folder, row), shapes)
