"""Custom recipes: found by `module:function`, checked before they are trained, and every mistake told."""

import sys
from importlib.util import find_spec

import pytest

from batchclf.errors import ModelError, UsageError
from batchclf.training.recipes.builtin import RECIPES
from batchclf.training.recipes.custom import build_checked, check_name, find_recipe

SMALL = '''
def small(input_shape, classes):
    """Build one dense layer.

    And nothing more.
    """
    import keras

    layers = keras.layers
    return keras.Sequential(
        [keras.Input(input_shape, dtype="uint8"), layers.Rescaling(1 / 255), layers.Flatten(), layers.Dense(classes)]
    )
'''
needs_tensorflow = pytest.mark.skipif(find_spec("tensorflow") is None, reason="TensorFlow is not installed")


@pytest.fixture
def module(tmp_path, request):
    """Write a module of the user's; gives its name, which no other test uses, and its file."""
    before = set(sys.modules)

    def write(text, name=None):
        name = name or f"nets_{abs(hash(request.node.name))}"
        path = tmp_path / f"{name.replace('.', '/')}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return name, path

    yield write
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def line(path, text):
    """Give the number of the line that holds this text."""
    return next(n for n, each in enumerate(path.read_text().splitlines(), 1) if text in each)


# Found


def test_a_name_of_ours_is_that_recipe():
    assert find_recipe("mlp") is RECIPES["mlp"]


@needs_tensorflow
def test_a_function_becomes_a_recipe(module, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    name, path = module(SMALL)
    paths = list(sys.path)
    recipe = find_recipe(f"{name}:small", [tmp_path])
    assert (recipe.epochs, recipe.batch_size, recipe.description) == (10, 32, "Build one dense layer.")
    model = build_checked(recipe, (8, 8, 1), 3, f"{name}:small")
    assert model.count_params() == 8 * 8 * 3 + 3
    assert sys.path == paths
    assert list(path.parent.iterdir()) == [path]


@needs_tensorflow
def test_a_recipe_says_how_it_is_trained(module, tmp_path):
    more = (
        "from batchclf.training.recipes.builtin import Recipe\n"
        "class kept:\n    own = Recipe(small, 3, 16, 'tiny', xla=True)\n"
    )
    name, _ = module(SMALL + more)
    recipe = find_recipe(f"{name}:kept.own", [tmp_path])
    assert (recipe.epochs, recipe.batch_size, recipe.description, recipe.xla) == (3, 16, "tiny", True)
    assert build_checked(recipe, (8, 8, 3), 4, "own").output_shape == (None, 4)


def test_packages_and_what_lies_beside_the_module(module, tmp_path):
    """At import and, as `import keras` stands in functions, when the function is called."""
    module("SIZE = 5\n", "beside_at_import")
    module("SIZE = 6\n", "beside_in_call")
    name, _ = module(
        "from beside_at_import import SIZE\n\ndef build(input_shape, classes):\n"
        "    from beside_in_call import SIZE as more\n\n    return SIZE + more\n",
        "package_of_mine.nets",
    )
    recipe = find_recipe(f"{name}:build", [tmp_path])
    assert recipe.build((8, 8, 1), 3) == 11
    assert recipe.description == f"{name}:build"
    assert str(tmp_path) not in sys.path


def test_the_folder_comes_before_what_is_installed(module, tmp_path):
    """tabnanny is a module of Python that hardly anything imports."""
    module("def mine(input_shape, classes):\n    return 1\n", "tabnanny")
    assert find_recipe("tabnanny:mine", [tmp_path]).build((1, 1, 1), 2) == 1


@pytest.mark.parametrize("name", ["mlp", "nets:small", "a.b.c:d.e", "Größe:bau"])
def test_names_that_can_be(name):
    check_name(name)


# Names that are wrong


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("resnet", "there is no recipe 'resnet'"),
        ("", "there is no recipe ''"),
        ("nets.py:small", None),
        ("jobs/nets:small", "is not the name of a recipe"),
        ("nets:small()", "is not the name of a recipe"),
        ("nets:", "is not the name of a recipe"),
        (":small", "is not the name of a recipe"),
        ("nets:a:b", "is not the name of a recipe"),
        ("../nets:small", "is not the name of a recipe"),
    ],
)
def test_names_that_cannot_be(name, said, tmp_path):
    if said is None:  # what it means is a module `py` in a package `nets`
        said = "no module 'nets'"
    with pytest.raises(UsageError, match=said) as caught:
        find_recipe(name, [tmp_path])
    if ":" not in name:
        assert "mlp" in caught.value.hint
        assert "module:function" in caught.value.hint


def test_a_module_that_is_not_there(module, tmp_path):
    name, _ = module(SMALL, "shoe_nets")
    with pytest.raises(UsageError) as caught:
        find_recipe("shoe_net:small", [tmp_path])
    assert "there is no module 'shoe_net'" in caught.value.message
    assert f"{tmp_path} and the installed packages" in caught.value.message
    assert caught.value.hint == f"did you mean {name}:small?"
    with pytest.raises(UsageError) as caught:
        find_recipe("quite_other:small", [tmp_path])
    assert "put quite_other.py beside the job file" in caught.value.hint


def test_a_name_that_another_module_has(module, tmp_path):
    """Python would give the one that is loaded."""
    import json

    _, path = module(SMALL, "json")
    with pytest.raises(UsageError) as caught:
        find_recipe("json:small", [tmp_path])
    assert f"{path} cannot be imported: another module has the name 'json' ({json.__file__})" in caught.value.message


def test_an_attribute_that_is_not_there(module, tmp_path):
    name, path = module("def small_net(a, b): ...\ndef smaller_net(a, b): ...\n_smal_net = other = 1\n")
    with pytest.raises(UsageError) as caught:
        find_recipe(f"{name}:smal_net", [tmp_path])
    assert f"the module {name} ({path}) has no 'smal_net'" in caught.value.message
    assert caught.value.hint == "did you mean small_net or smaller_net?"
    with pytest.raises(UsageError, match="has no 'layers'"):
        find_recipe(f"{name}:small_net.layers", [tmp_path])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("small = 3", "is of type int; a function"),
        ("def small(): ...", r"cannot be called as small\(input_shape, classes\): too many positional"),
        ("def small(input_shape, classes, depth): ...", "missing a required argument: 'depth'"),
        (
            "class Model:\n def count_params(self): ...\n def __call__(self, a, b): ...\nsmall = Model()",
            "built already",
        ),
        ("from batchclf.training.recipes.builtin import Recipe\nsmall = Recipe(None, 1, 1, '')", "is of type NoneType"),
        ("from batchclf.training.recipes.builtin import Recipe\nsmall = Recipe(print, 0, 1, '')", "has epochs=0"),
        (
            "from batchclf.training.recipes.builtin import Recipe\nsmall = Recipe(print, 1, 1, '', augment=('flip',))",
            r"has augment=\('flip',\)",
        ),
        (
            "from batchclf.training.recipes.builtin import Recipe\nsmall = Recipe(print, 1, 1, '', optimizer='muon')",
            "has optimizer='muon'",
        ),
    ],
)
def test_what_is_no_function_of_shape_and_classes(module, tmp_path, text, said):
    name, _ = module(text)
    with pytest.raises(UsageError, match=said) as caught:
        find_recipe(f"{name}:small", [tmp_path])
    assert caught.value.hint


# Modules that cannot be imported


@pytest.mark.parametrize(
    ("text", "said", "hint"),
    [
        ("x = 1\nimport torchvision_of_mine  # here", "ModuleNotFoundError: No module", "install torchvision_of_mine"),
        ("x = 1\nraise ValueError('too\\n  much')  # here", "ValueError: too much", "correct that line"),
        ("def f():\n    return 1 / 0  # here\n\nf()", "ZeroDivisionError: division by zero", "correct that line"),
        ("import json\nx = json.loads('[')  # here", "JSONDecodeError", "correct that line"),
        ("x = 1\nx = = 2  # here", "SyntaxError: invalid syntax", "correct that line"),
        ("import sys\nsys.exit('bye')  # here", "SystemExit: bye", "correct that line"),
        ("from json import no_such  # here", "ImportError: cannot import name 'no_such'", "correct that line"),
        ("assert 1 > 2  # here", "AssertionError (", "correct that line"),
    ],
)
def test_a_module_that_fails_names_its_line(module, tmp_path, text, said, hint):
    name, path = module(text)
    with pytest.raises(ModelError) as caught:
        find_recipe(f"{name}:small", [tmp_path])
    assert f"the module '{name}' of the recipe {name}:small cannot be imported: {said}" in caught.value.message
    assert caught.value.message.endswith(f"({path}, line {line(path, '# here')})")
    assert hint in caught.value.hint
    assert "Traceback" not in caught.value.message


def test_a_module_beside_it_that_fails_is_named_itself(module, tmp_path):
    _, inner = module("x = 1\nnone.x\n", "fails_inside")
    name, _ = module("import fails_inside\n")
    with pytest.raises(ModelError) as caught:
        find_recipe(f"{name}:small", [tmp_path])
    assert caught.value.message.endswith(f"NameError: name 'none' is not defined ({inner}, line 2)")


# Models that cannot be trained


def refused(module, tmp_path, body, *, before="", shape=(8, 8, 1)):
    """Give the error for a function with this body."""
    name, path = module(
        f"import keras\nfrom keras import layers\n{before}\ndef build(input_shape, classes):\n"
        f"    head = [keras.Input(input_shape), layers.Flatten()]\n    {body}\n"
    )
    recipe = find_recipe(f"{name}:build", [tmp_path])
    with pytest.raises(ModelError) as caught:
        build_checked(recipe, shape, 3, f"{name}:build")
    assert f"{name}:build" in caught.value.message
    assert caught.value.hint
    return caught.value, path


LAYER = "class Own(layers.Layer):\n    def call(self, x):\n        return x\n"
MODEL = (
    "class Mine(keras.Model):\n    def __init__(self):\n        super().__init__()\n        self.d = layers.Dense(3)\n"
    "    def call(self, x):\n        return self.d(keras.ops.reshape(x, (-1, 64)))\n"
)


@needs_tensorflow
@pytest.mark.parametrize(
    ("body", "before", "said"),
    [
        ("pass", "", "gives nothing (None); a Keras model is expected"),
        ("return layers.Dense(classes)", "", "gives a keras.src.layers.core.dense.Dense; a Keras model is expected"),
        ("return keras.Sequential([layers.Flatten(), layers.Dense(3)])", "", "does not say what its input is"),
        ("return Mine()", MODEL, "does not say what its input is"),
        (
            "a, b = keras.Input((8, 8, 1)), keras.Input((2,)); f = layers.Flatten()(a)\n"
            "    return keras.Model([a, b], layers.Dense(3)(layers.Concatenate()([f, b])))",
            "",
            "has 2 inputs and 1 outputs",
        ),
        (
            "return keras.Sequential([keras.Input((9, 9, 3)), layers.Flatten(), layers.Dense(classes)])",
            "",
            "cannot make predictions for black images of (8, 8, 1): ValueError: Exception encountered when calling "
            "Sequential",
        ),
        (
            "return keras.Sequential([*head, layers.Dense(10)])",
            "",
            "gives float32 of shape (2, 10) for 2 images; float32 of shape (2, 3), a logit for each class, is expected",
        ),
        ("return keras.Sequential([head[0], layers.Dense(3)])", "", "gives float32 of shape (2, 8, 8, 3)"),
        (
            "return keras.Sequential([*head, layers.Dense(3), layers.Lambda(lambda x: keras.ops.cast(x, 'int32'))])",
            "",
            "gives int32 of shape (2, 3)",
        ),
        ("return keras.Sequential([head[0], layers.GlobalMaxPooling2D(), layers.ZeroPadding1D()])", "", "fails for"),
        ("return keras.Sequential([*head, layers.Dense(3, activation='softmax')])", "", "ends in a softmax"),
        ("return keras.Sequential([*head, layers.Dense(3), layers.Softmax()])", "", "ends in a softmax"),
        ("return keras.Sequential([*head, keras.Sequential([layers.Dense(3, 'sigmoid')])])", "", "ends in a sigmoid"),
        (
            "i = keras.Input(input_shape)\n"
            "    return keras.Model(i, keras.ops.softmax(layers.Dense(classes)(layers.Flatten()(i))))",
            "",
            "ends in a softmax",
        ),
        ("return keras.Sequential([*head, Own(), layers.Dense(3)])", LAYER, "uses the class Own, which Keras does not"),
        (
            "return keras.Sequential([*head, layers.Dense(3), layers.Activation(double)])",
            "def double(x):\n    return 2 * x\n",
            "uses the function double",
        ),
        ("return keras.Sequential([*head, layers.Dense(3), layers.Lambda(lambda x: x)])", "", "uses a lambda"),
        ("return keras.Sequential([head[0], layers.Conv2D(3, 1, trainable=False), "
         "layers.GlobalMaxPooling2D()])", "", "has no weights to train"),
    ],
)  # fmt: skip
def test_models_that_are_refused(module, tmp_path, body, before, said):
    error, _ = refused(module, tmp_path, body, before=before)
    assert said in error.message


@needs_tensorflow
def test_a_function_that_fails_names_its_line(module, tmp_path):
    body = "x = layers.Conv2D(4, 9)  # one\n    return keras.Sequential([head[0], x])  # here"
    error, path = refused(module, tmp_path, body)
    assert "fails for images of (8, 8, 1) and 3 classes: ValueError: " in error.message
    assert error.message.endswith(f"({path}, line {line(path, '# here')})")
    assert "\x1b" not in error.message
    assert "\n" not in error.message


@needs_tensorflow
def test_what_onnx_cannot_hold_is_told_before_the_training(module, tmp_path):
    body = (
        "i = keras.Input(input_shape); x = layers.Flatten()(i)\n"
        "    return keras.Model(i, layers.Dense(classes)(keras.ops.erfinv(x)))"
    )
    error, _ = refused(module, tmp_path, body)
    assert "operations of TensorFlow that ONNX does not have: Erfinv" in error.message
