"""The keys of rows that say how a network was trained. Needs no JAX."""

from rnnjax.results.schema import Key

KEYS: dict[str, Key] = {
    "updates": Key("int", "updates of the training"),
    "optimizer": Key("str", "name of the optimizer"),
    "learning_rate": Key("float", "learning rate of the first update"),
    "decay": Key("float", "power with which the learning rate falls to 0"),
    "momentum": Key("float", "momentum (Adam's beta_1)"),
    "weight_decay": Key("float", "decoupled weight decay"),
    "clip": Key("float", "norm that gradients are clipped to"),
}
