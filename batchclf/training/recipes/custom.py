"""Recipes by name: those of batchclf, and custom ones as `module:function`."""

import functools
import importlib
import inspect
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from difflib import get_close_matches
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

from batchclf.core.renames import MODULES, TRAINING
from batchclf.errors import BatchclfError, ModelError, UsageError
from batchclf.models.runtime.memory_errors import is_out_of_memory
from batchclf.training.recipes import builtin as recipes
from batchclf.training.recipes.builtin import Optimizer, Recipe
from batchclf.training.recipes.user_code import importable, is_custom, told

_EXAMPLE = "nets:small for the function small of nets.py"


def check_name(name: str) -> None:
    """Raise UsageError unless this is the name of a recipe, or could be; imports nothing."""
    if name in recipes.RECIPES or is_custom(name):
        return
    known = f"choose one of: {', '.join(recipes.RECIPES)}, or name your own function as module:function"
    if ":" in name:
        raise UsageError(
            f"'{name}' is not the name of a recipe; a custom recipe is module:function, both names as in Python",
            hint=f"write for example {_EXAMPLE}",
        )
    raise UsageError(f"there is no recipe '{name}'", hint=f"{known}, such as {_EXAMPLE}")


def find_recipe(name: str, folders: Sequence[Path] = ()) -> Recipe:
    """Find a recipe by a name of `RECIPES` or as `module:function`, whose module is looked for in `folders` first.

    The function takes the images' (height, width, channels) and the number of classes, and gives a Keras model; it is
    run for 10 epochs in batches of 32. A `Recipe` in its place says more. Importing the module runs its code; it can
    also import modules beside it while it builds. Raises UsageError where there is no such recipe, and ModelError where
    the module cannot be imported, with the line of the user's code.
    """
    check_name(name)
    if name in recipes.RECIPES:
        return recipes.RECIPES[name]
    module_name, _, attribute = name.partition(":")
    places = [folder.resolve() for folder in folders]
    with importable(places):
        # On the import path only meanwhile, so that nothing else is found there by accident (decision 116)
        found: Any = _import(module_name, name, places)
        for part in attribute.split("."):
            found = _attribute(found, part, name)
    return _as_recipe(found, name, places)


def build_checked(recipe: Recipe, input_shape: tuple[int, int, int], classes: int, name: str) -> Any:
    """Build the model of the recipe called `name` and check it as `check_model` does.

    Raises ModelError where the function fails, with the line of the user's code, and MemoryError where the memory does
    not suffice.
    """
    from batchclf.training.recipes.check import check_model

    try:
        model = recipe.build(input_shape, classes)
    except BatchclfError:
        raise
    except (Exception, SystemExit) as error:  # whatever the user's code raises
        if is_out_of_memory(error):
            raise MemoryError(str(error)) from error
        raise ModelError(
            f"the recipe {name} fails for images of {input_shape} and {classes} classes: {told(error)}",
            hint="correct the function; nothing was trained",
        ) from error
    # Before the training, which may take hours (decision 117)
    check_model(model, input_shape, classes, name)
    return model


def _import(module_name: str, name: str, places: list[Path]) -> ModuleType:
    from batchclf.models.sources.keras import quieten

    quieten()  # the module may import Keras
    _check_free(module_name, places)
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise _failed(module_name, name, error) from error
        looked = [*map(str, places), "the installed packages"]
        near = get_close_matches(module_name, [path.stem for place in places for path in place.glob("*.py")])
        raise UsageError(
            f"there is no module '{error.name}' for the recipe {name}; it was looked for in {' and '.join(looked)}",
            hint=f"did you mean {near[0]}:{name.partition(':')[2]}?"
            if near
            else f"put {module_name.replace('.', '/')}.py beside the job file (for `train`: into the current folder)",
        ) from error
    except (Exception, SystemExit) as error:  # whatever the user's code raises
        raise _failed(module_name, name, error) from error


def _failed(module_name: str, name: str, error: BaseException) -> ModelError:
    hint = "correct that line"
    found = re.search(r"Recipe.*unexpected keyword argument '(\w+)'", str(error))
    if isinstance(error, ModuleNotFoundError) and error.name in MODULES:
        hint = f"import {MODULES[error.name]} in its place"
    elif isinstance(error, ModuleNotFoundError) and error.name:
        hint = f"install {error.name}, or leave its import away"
    elif found and found[1] in TRAINING:
        hint = f"{found[1]} is called {TRAINING[found[1]]} now"
    return ModelError(f"the module '{module_name}' of the recipe {name} cannot be imported: {told(error)}", hint=hint)


def _check_free(module_name: str, places: list[Path]) -> None:
    """Raise UsageError where another module of that name is loaded already: Python would give that one."""
    top = module_name.partition(".")[0]
    loaded = getattr(sys.modules.get(top), "__spec__", None)
    found = PathFinder.find_spec(top, [str(place) for place in places])
    if loaded is not None and found is not None and found.origin and loaded.origin != found.origin:
        raise UsageError(
            f"{found.origin} cannot be imported: another module has the name '{top}' ({loaded.origin})",
            hint="give the file a name of its own",
        )


def _attribute(holder: Any, part: str, name: str) -> Any:
    try:
        return getattr(holder, part)
    except AttributeError:
        names = [each for each in vars(holder) if not each.startswith("_")] if hasattr(holder, "__dict__") else []
        near = get_close_matches(part, names)
    where = f"the module {holder.__name__} ({holder.__file__})" if isinstance(holder, ModuleType) else repr(holder)
    raise UsageError(
        f"there is no recipe {name}: {where} has no '{part}'",
        hint=f"did you mean {' or '.join(near)}?" if near else "name a function of that file",
    )


def _as_recipe(found: Any, name: str, places: list[Path]) -> Recipe:
    """Make a Recipe of what the user's name stands for."""
    if isinstance(found, Recipe):
        _check_values(found, name)
        build, text = found.build, f"the build function of {name}"
    else:
        build, text = found, name
    is_model = hasattr(build, "count_params") and not inspect.isclass(build)
    if is_model or not callable(build):
        kind = "a model that is built already" if is_model else f"of type {type(build).__name__}"
        raise UsageError(
            f"{text} is {kind}; a function (input_shape, classes) that builds a Keras model is expected",
            hint="write: def small(input_shape, classes): … return keras.Sequential([…])",
        )
    try:
        inspect.signature(build).bind((28, 28, 1), 10)
    except TypeError as error:
        raise UsageError(
            f"{text} cannot be called as {name.partition(':')[2]}(input_shape, classes): {error}",
            hint="let it take (height, width, channels) and the number of classes",
        ) from error
    except ValueError:  # a callable that does not tell its arguments
        pass
    if isinstance(found, Recipe):
        return replace(found, build=_at_home(build, places))
    lines = (inspect.getdoc(build) or "").strip().splitlines()
    return Recipe(_at_home(build, places), epochs=10, batch_size=32, description=lines[0] if lines else name)


def _check_values(recipe: Recipe, name: str) -> None:
    for what, value in (("epochs", recipe.epochs), ("batch_size", recipe.batch_size)):
        if not isinstance(value, int) or value < 1:
            raise UsageError(f"the recipe {name} has {what}={value!r}", hint="give a whole number from 1")
    if recipe.optimizer not in get_args(Optimizer):
        known = " or ".join(f'"{each}"' for each in get_args(Optimizer))
        raise UsageError(f"the recipe {name} has optimizer={recipe.optimizer!r}", hint=f"write {known}")
    if not isinstance(recipe.augment, str):
        raise UsageError(f"the recipe {name} has augment={recipe.augment!r}", hint='write augment="flip,shift"')


def _at_home(build: Callable[..., Any], places: list[Path]) -> Callable[..., Any]:
    """Let a function import what lies beside it when it is called, too."""

    @functools.wraps(build)
    def at_home(*args: Any, **kwargs: Any) -> Any:
        with importable(places):
            return build(*args, **kwargs)

    return at_home
