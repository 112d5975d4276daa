"""Templates: data in, text out; neither Python nor the machine's memory within reach."""

from __future__ import annotations

import time
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaemo_annotate.template import MAX_RENDERED_CHARS, render

VALUES: dict[str, Any] = {
    "clip": {"duration_s": 3.0, "has_video": True, "has_audio": False},
    "video": {"num_frames": 6, "interval_s": 0.5},
    "look": {"seen": "brows rise", "items": "a cup", "keys": None, "parts": ["eye", "jaw"]},
    "tell": "free text",
}

ESCAPES = [
    "{{ ''.__class__ }}",
    "{{ clip.__class__.__mro__ }}",
    "{{ cycler.__init__.__globals__ }}",
    "{% for c in [].__class__.__base__.__subclasses__() %}{{ c }}{% endfor %}",
    "{{ lipsum.__globals__ }}",
    "{{ '{0.__class__}'.format(clip) }}",
    "{{ '{0.__class__.__mro__}'.format_map(clip) }}",
    "{{ '%s' | format(clip.__class__) }}",
    "{{ ''['__class__'] }}",
    "{{ (1).__class__ }}",
    "{{ '' | attr('__class__') }}",
    "{{ [clip] | map(attribute='__class__') | join }}",
    "{{ self.__init__.__globals__ }}",
    "{{ self._TemplateReference__context }}",
    "{{ clip.items.__self__ }}",
    "{% macro m() %}{% endmacro %}{{ m.__call__.__globals__ }}",
    "{% for c in [1] %}{{ loop.__class__ }}{% endfor %}",
    "{{ range(3) }}",
    "{{ namespace() }}",
    "{{ dict(a=1) }}",
    "{% include '/etc/passwd' %}",
    "{% import 'os' as os %}{{ os }}",
    "{% extends 'x' %}",
]

MUTATIONS = [
    "{{ clip.update({'duration_s': 9}) }}",
    "{{ clip.pop('duration_s') }}",
    "{{ clip.clear() }}",
    "{{ look.parts.append('x') }}",
    "{{ look.parts.sort() }}",
    "{% set clip.duration_s = 9 %}",
]

GREEDY = {
    "a repeated string": "{{ 'a' * 10**9 }}",
    "a repeated string, factors swapped": "{{ 1000000000 * 'a' }}",
    "a repeated list": "{{ ([1] * 10**9) | length }}",
    "repetition in stages": "{% set a = 'a' * 100000 %}{{ (a * 100) | length }}",
    "a power": "{{ 9 ** (9 ** 9) }}",
    "a power of a power": "{{ 9 ** 99 ** 99 ** 99 ** 99 }}",
    "a padded format": "{{ '%1000000000d' % 1 }}",
    "a padded format filter": "{{ '%1000000000d' | format(1) }}",
    "a format method": "{{ '{:1000000000}'.format(1) }}",
    "a format method as an item": "{{ '{:1000000000}'['format'](1) }}",
    "padding": "{{ 'a'.ljust(10**9) }}",
    "a centre filter": "{{ 'a' | center(10**9) }}",
    "an indent filter": "{{ 'a\nb' | indent(width=10**9) }}",
    "a batch filter": "{{ [1] | batch(10**9, 'x') | list | length }}",
    "JSON indented": "{{ [1] | tojson(indent=10**9) }}",
    "loops in loops": "{% for a in s %}{% for b in s %}{% for c in s %}aaaaaaaaaa{% endfor %}{% endfor %}{% endfor %}",
}


@pytest.mark.parametrize("source", ESCAPES)
def test_python_is_out_of_reach(source: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        render(source, VALUES)
    assert "root:" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("source", MUTATIONS)
def test_values_cannot_be_changed(source: str) -> None:
    before = repr(VALUES)
    with pytest.raises(ValueError, match=r"is unsafe|cannot assign attribute"):
        render(source, VALUES)
    assert repr(VALUES) == before


@pytest.mark.parametrize("source", GREEDY.values(), ids=GREEDY.keys())
def test_a_template_cannot_eat_memory_or_time(source: str) -> None:
    tracemalloc.start()
    began = time.perf_counter()
    try:
        with pytest.raises(
            ValueError, match=r"renders to more|repeats something|a power|unsafe|filter named|width|'%'"
        ):
            render(source, {"s": "x" * 400})
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 30e6
    assert time.perf_counter() - began < 5


def test_ordinary_arithmetic_and_padding_still_work() -> None:
    source = "{{ 2 * 3 }} {{ 'ab' * 2 }} {{ 2 ** 3 }} {{ 7 % 4 }} {{ 3 * 0.5 }}"
    source += "|{{ 'a\nb' | indent(2) }}|{{ 'x' | center(3) }}"
    assert render(source, {}) == "6 abab 8 3 1.5|a\n  b| x"


@pytest.mark.parametrize(
    "reply", ["{{ 7 * 7 }}", "{% for x in y %}", "{{ clip.__class__ }}", "{# hidden #}", "# x\n## y"]
)
def test_what_a_model_wrote_is_inserted_as_data_and_never_rendered(reply: str) -> None:
    assert render("it says: {{ look.seen }}!", {"look": {"seen": reply}}) == f"it says: {reply}!"


@given(st.text())
def test_any_text_of_a_model_arrives_unchanged(reply: str) -> None:
    assert render("<{{ look.seen }}>", {"look": {"seen": reply}}) == f"<{reply}>"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{{ lok.seen }}", r"^'lok' is undefined$"),
        ("{{ look.sen }}", r"^'dict object' has no attribute 'sen'$"),
        ("{{ look['sen'] }}", r"^'dict object' has no attribute 'sen'$"),
        ("a\n\n{% if %}", r"^line 3: Expected an expression"),
        ("{{ tell + 1 }}", r"^TypeError: "),
        ("{{ 1 / 0 }}", r"^ZeroDivisionError: "),
        ("{{ 'x' | nofilter }}", r"^line 1: No filter named 'nofilter'"),
        ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", r"^RecursionError: "),
        ("{% for a in [1] %}" * 25 + "{% endfor %}" * 25, r"^SyntaxError: too many statically nested blocks"),
    ],
)
def test_a_fault_is_told_in_one_line(source: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        render(source, VALUES)
    assert "\n" not in str(caught.value)


def test_a_field_named_like_a_method_of_dict_is_the_field() -> None:
    assert render("{{ look.items }} {{ look.keys }} {{ look['items'] }}", VALUES) == "a cup None a cup"


@pytest.mark.parametrize("source", ["{{ clip.items }}", "{{ look.parts | map('upper') }}", "{{ tell.upper }}"])
def test_what_prints_as_an_address_is_refused_since_it_would_change_the_request_in_every_run(source: str) -> None:
    with pytest.raises(ValueError, match=r"^a (method|builtin_function_or_method|generator) is no text; name a field"):
        render(source, VALUES)


def test_methods_and_filters_that_give_text_work() -> None:
    source = "{{ tell.upper() }} {{ look.parts | map('upper') | join(', ') }} "
    source += "{{ clip.duration_s | round(1) }} {{ look.parts }}"
    assert render(source, VALUES) == "FREE TEXT EYE, JAW 3.0 ['eye', 'jaw']"


def test_blocks_leave_no_blank_lines_and_the_text_is_stripped() -> None:
    source = "\n{% if clip.has_video %}\nseen\n{% else %}\nnot\n{% endif %}\nend\n\n"
    assert render(source, VALUES) == "seen\nend"


def test_a_text_up_to_the_limit_is_rendered() -> None:
    assert len(render("{{ s }}", {"s": "x" * MAX_RENDERED_CHARS})) == MAX_RENDERED_CHARS
    with pytest.raises(ValueError, match=r"^renders to more than 200000 characters$"):
        render("{{ s }}", {"s": "x" * (MAX_RENDERED_CHARS + 1)})
