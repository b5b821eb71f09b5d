"""Give a graph an order and names that depend on nothing but what it computes.

tf2onnx takes names from TensorFlow and Keras, which count in them what the process has made before, and the names
decide about the order of some nodes. A model trained twice in one process would get another digest each time.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from batchclf.models.onnx_graph.read import inner_graphs, subgraphs, taken


def with_stable_names(model: Any) -> Any:
    """Order the nodes of a graph by how its outputs are computed, and number them and their values in that order.

    `model` is a ModelProto as tf2onnx gives it; it is changed and given back. It computes the same, and its inputs and
    outputs keep their names. What no output needs is removed, and so are descriptions and the shapes of values between.
    Where tf2onnx makes a Loop (of recurrent layers), the order of what goes round in it stays as it came by chance.
    """
    whole = model.graph
    # Own order and names: those of tf2onnx depend on what the process made before (decision 115)
    kept = [each.name for each in (*whole.input, *whole.output)]
    for graph in subgraphs(whole):
        _order_nodes(graph)
    constants = {each.name for graph in subgraphs(whole) for each in graph.initializer}
    names = _numbered(_uses(whole, constants), kept)
    sizes = _numbered(((each.dim_param, "size") for graph in subgraphs(whole) for each in _open_sizes(graph)), [])
    for graph in subgraphs(whole):
        _rename(graph, names)
        for each in _open_sizes(graph):
            each.dim_param = sizes[each.dim_param]
    return model


def _order_nodes(graph: Any) -> None:
    """Put what is needed first, from the outputs back; a node that no output needs is removed."""
    makers = {name: node for node in graph.node for name in node.output if name}
    needs = {name: [each for each in taken(node) if each in makers] for name, node in makers.items()}
    places: dict[str, int] = {}
    waiting = [each.name for each in reversed(graph.output) if each.name in makers]
    while waiting:
        name = waiting[-1]
        missing = next((each for each in needs[name] if each not in places), None)
        if missing is not None and name not in places:
            waiting.append(missing)
            continue
        for each in makers[waiting.pop()].output:
            places.setdefault(each, len(places))
    for number, node in reversed(list(enumerate(graph.node))):
        if not any(name in places for name in node.output):
            del graph.node[number]
    graph.node.sort(key=lambda node: min(places[name] for name in node.output if name))


def _uses(graph: Any, constants: set[str]) -> Iterator[tuple[str, str]]:
    """Yield each value as often as it is used, with a word for what it is.

    A name stands for the same value in a graph and in the graphs inside its nodes; an empty one for no value.
    """
    yield from ((each.name, "Input") for each in graph.input)
    for node in graph.node:
        yield from ((name, "Constant" if name in constants else "Value") for name in node.input if name)
        for inner in inner_graphs(node):
            yield from _uses(inner, constants)
        yield from ((name, node.op_type) for name in node.output if name)
    yield from ((each.name, "Constant" if each.name in constants else "Value") for each in graph.output)


def _numbered(uses: Iterable[tuple[str, str]], kept: list[str]) -> dict[str, str]:
    """Give each name a new one in the order of first use: its word and a number. Those of `kept` stay."""
    new = {name: name for name in kept}
    numbers: Counter[str] = Counter()
    for name, word in uses:
        if name not in new:
            new[name] = f"{word}_{numbers[word]}"
            numbers[word] += 1
    return new


def _open_sizes(graph: Any) -> Iterator[Any]:
    """Give the sizes with names of a graph's inputs and outputs."""
    for value in (*graph.input, *graph.output):
        yield from (each for each in value.type.tensor_type.shape.dim if each.dim_param)


def _rename(graph: Any, names: dict[str, str]) -> None:
    numbers: Counter[str] = Counter()
    for node in graph.node:
        for values in (node.input, node.output):
            values[:] = [names.get(name, name) for name in values]
        node.name = f"{node.op_type}_{numbers[node.op_type]}"
        numbers[node.op_type] += 1
        node.ClearField("doc_string")
        if not node.domain:  # an empty text and none mean the same, and are other bytes
            node.ClearField("domain")
    for number, constant in reversed(list(enumerate(graph.initializer))):
        if constant.name not in names:
            del graph.initializer[number]
    for value in (*graph.input, *graph.output, *graph.initializer):
        value.name = names[value.name]
        value.ClearField("doc_string")
    places = {name: place for place, name in enumerate(names.values())}
    graph.initializer.sort(key=lambda constant: places[constant.name])
    del graph.value_info[:]
    graph.name, graph.doc_string = "model", ""
