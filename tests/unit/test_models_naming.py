"""Which installed model a program means by a name: every name leads to one model, to none, or to an error."""

from __future__ import annotations

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from tests.fakes.errors import coded
from tray_app.errors import ErrorCode
from tray_app.models.model_names import ids_of
from tray_app.models.naming import AmbiguousError, ModelNames
from tray_app.settings.aliases import same_name

WORDS = st.text(st.sampled_from("aB.-_: é\u0345ΐß\u017f日"), min_size=1, max_size=4)
FILES = st.builds(
    "{}{}{}".format, st.sampled_from(["", "a/", "B/a/"]), WORDS, st.sampled_from([".gguf", ".GGUF"])
)
OTHERS = st.text(max_size=8) | WORDS


def names(*files: str, **aliases: str) -> ModelNames:
    """The names of these files below a models folder."""
    ids = ids_of(files, {}, ())
    return ModelNames({ids[file]: file for file in files}, aliases)


def test_a_model_has_its_id_its_aliases_and_its_file_as_names() -> None:
    found = ModelNames({"qwen-small": "sub/Qwen 0.5B.gguf", "bge": "bge.gguf"}, {"gpt-4o": "qwen-small"})

    for asked in (
        "qwen-small",
        "Qwen-Small",
        "qwen:small",
        " qwen-small ",
        "qwen-small.gguf",
        "gpt-4o",
        "GPT-4O",
        "gpt:4o",
        "gpt-4o.gguf",
        "sub/Qwen 0.5B.gguf",
        "SUB/qwen 0.5b",
        "Qwen 0.5B.gguf",
        "qwen 0.5b",
        "Qwen-0.5B",
    ):
        assert found.resolve(asked) == "qwen-small", asked
    for asked in ("", " ", "qwen", "text-embedding-3-small", "./bge.gguf", "/models/bge.gguf", "bge.gguf/"):
        assert found.resolve(asked) is None, asked


def test_a_split_model_is_called_by_its_stem_too() -> None:
    found = ModelNames({"big": "sub/big one-00001-of-00002.gguf", "x": "-00001-of-00002.gguf"}, {})

    for asked in ("big one", "sub/big one", "big one-00001-of-00002", "big one-00001-of-00002.gguf"):
        assert found.resolve(asked) == "big", asked


def test_a_name_of_an_installed_model_goes_before_an_alias() -> None:
    files = {"one": "one.gguf", "two": "my two.gguf", "Three": "my three.gguf"}
    found = ModelNames(files, {"ONE": "two", "my two": "one", "three": "two", "my:three.gguf": "two"})

    assert found.resolve("one") == "one"
    assert found.resolve("ONE") == "one"
    assert found.resolve("my two") == "two"
    assert found.resolve("my two.gguf") == "two"
    assert found.resolve("three") == "Three"
    assert found.resolve("my-three.gguf") == "two"
    assert found.resolve("my three.gguf") == "Three"


def test_two_files_of_one_name_are_told_apart_or_refused_with_both_ids() -> None:
    found = names("a/x.gguf", "b/x.gguf", "c.gguf")
    first, second, _ = found.files

    assert found.resolve("a/x") == first
    assert found.resolve("b/x.gguf") == second
    assert found.resolve(second) == second
    for asked in ("x", "X.gguf"):
        with pytest.raises(AmbiguousError, check=coded(ErrorCode.MODEL_AMBIGUOUS)) as refused:
            found.resolve(asked)
        assert asked in refused.value.title
        assert refused.value.message == f"{first}, {second}."
    assert found.resolve("c") == "c"


def test_a_twin_in_a_sub_folder_takes_no_name_from_the_one_in_the_folder_itself() -> None:
    found = names("x.gguf", "sub/x.gguf")

    assert found.resolve("x") == found.resolve("X.GGUF") == "x"
    assert found.resolve("sub/x") not in ("x", None)


def test_ids_that_differ_in_small_and_capital_letters_are_ambiguous_only_where_none_fits() -> None:
    found = ModelNames({"Model": "Model.gguf", "model": "model.gguf"}, {})

    assert (found.resolve("model"), found.resolve("Model")) == ("model", "Model")
    with pytest.raises(AmbiguousError):
        found.resolve("MODEL")


def test_an_alias_of_two_models_is_refused_and_settles_nothing_that_is_ambiguous() -> None:
    files = {"one": "a/x.gguf", "two": "b/x.gguf"}

    with pytest.raises(AmbiguousError):
        ModelNames(files, {"x": "two"}).resolve("x")
    with pytest.raises(AmbiguousError):
        ModelNames(files, {"my:x": "one", "my-x": "two"}).resolve("my:x")


def test_aliases_are_no_chain_so_they_cannot_go_round_in_a_circle() -> None:
    found = names("a.gguf", "b.gguf", a="b", b="a", c="d", d="c", e="c", f="f", g="c", C="a")

    assert (found.resolve("a"), found.resolve("b")) == ("a", "b")
    assert found.resolve("c") == "a"
    assert [found.resolve(asked) for asked in "defg"] == [None] * 4


def test_a_file_whose_name_no_id_can_keep_is_not_called_model() -> None:
    found = names("???.gguf")
    [model_id] = found.files

    assert found.resolve("model") is None
    assert found.resolve("???") == model_id


def test_a_file_that_is_called_by_a_blank_is_not_what_a_request_without_a_name_means() -> None:
    assert names(" .gguf").resolve("") is None


def test_a_text_that_is_too_long_for_a_name_is_unknown() -> None:
    name = "x" * 5000

    assert ModelNames({"one": "one.gguf"}, {name: "one"}).resolve(name) is None


def test_other_aliases_make_other_names_and_the_same_ones_do_not() -> None:
    found = names("a.gguf", x="a")

    assert found.with_aliases({"x": "a"}) is found
    assert found.with_aliases({"y": "a"}).resolve("y") == "a"
    assert found.with_aliases({"y": "a"}).resolve("x") is None


@given(files=st.sets(FILES, max_size=6), aliases=st.dictionaries(OTHERS, OTHERS), asked=OTHERS | FILES)
@example(files={"a.gguf", "B/a.gguf"}, aliases={"A": "x"}, asked="a")
def test_an_id_always_means_its_model_and_an_answer_is_always_installed(
    files: set[str], aliases: dict[str, str], asked: str
) -> None:
    ids = ids_of(sorted(files), {}, ())
    of_each = {ids[file]: file for file in files}
    drawn = dict(zip(aliases, (*of_each, *aliases.values()), strict=False))
    found = ModelNames(of_each, aliases | drawn)

    for model_id in of_each:
        assert found.resolve(model_id) == model_id
    try:
        assert found.resolve(asked) in {*of_each, None}
    except AmbiguousError:
        assert asked not in of_each


@given(name=WORDS, others=st.dictionaries(OTHERS, st.just("other")))
def test_an_alias_means_its_model_unless_it_is_another_ones_name_or_is_given_twice(
    name: str, others: dict[str, str]
) -> None:
    taken = {same_name(each).replace(":", "-") for each in (*others, "mine", "other", "")}
    assume(same_name(name).replace(":", "-") not in taken)

    found = ModelNames({"mine": "a/m.gguf", "other": "b/o.gguf"}, others | {name: "mine"})
    assume(same_name(name).replace(":", "-") not in ("m", "o", "a/m", "b/o"))

    assert found.resolve(name) == "mine"
