"""The strict YAML reader: every scalar stays text with its place, and what could surprise a trader is refused.

`compose` turns text into a tree of `Scalar`, `Mapping` and `Sequence`; nothing is guessed from how a value looks: NO,
ON and NULL are tickers, `16:00` is text. The type of the field a value stands in decides what it is: `boolean`,
`number`, `whole_number`, `duration_s`. What is wrong is a `Problem` at its place; `Problems` is the error with all.
"""

from tradeassistd.base.yaml12.compose import compose, decode
from tradeassistd.base.yaml12.node import Mapping, Node, Scalar, Sequence, node_at, place_of, plain
from tradeassistd.base.yaml12.problem import Place, Problem, Problems, did_you_mean, path_text
from tradeassistd.base.yaml12.values import ValueProblem, boolean, duration_s, number, whole_number

__all__ = [
    "Mapping",
    "Node",
    "Place",
    "Problem",
    "Problems",
    "Scalar",
    "Sequence",
    "ValueProblem",
    "boolean",
    "compose",
    "decode",
    "did_you_mean",
    "duration_s",
    "node_at",
    "number",
    "path_text",
    "place_of",
    "plain",
    "whole_number",
]
