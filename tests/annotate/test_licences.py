"""Licences as manifests spell them: what lets a file be handed on, and what it asks for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaemo_annotate.licences import find_licence


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("CC-BY-4.0", "cc-by-4.0"),
        ("CC BY-NC-SA 4.0", "cc-by-nc-sa-4.0"),
        ("cc_by_sa_3.0", "cc-by-sa-3.0"),
        ("CC-BY-3.0-DE", "cc-by-3.0-de"),
        ("Creative Commons Attribution-NonCommercial-ShareAlike 4.0 International License", "cc-by-nc-sa-4.0"),
        ("Creative Commons Attribution-NonCommercial-NoDerivs 3.0 Unported", "cc-by-nc-nd-3.0"),
        ("Attribution 4.0", "cc-by-4.0"),
        ("https://creativecommons.org/licenses/by-nd/4.0/", "cc-by-nd-4.0"),
        ("http://creativecommons.org/licenses/by/2.0/deed.en", "cc-by-2.0"),
        ("https://creativecommons.org/publicdomain/zero/1.0/legalcode", "cc0-1.0"),
        ("CC0", "cc0-1.0"),
        ("Public Domain", "pdm-1.0"),
        ("CC BY-ND-NC 1.0", "cc-by-nc-nd-1.0"),
        ("CC-BY-NC-ND-1.0", "cc-by-nc-nd-1.0"),
        ("https://creativecommons.org/licenses/by-nd-nc/1.0/", "cc-by-nc-nd-1.0"),
        ("https://creativecommons.org/licenses/by-nc/3.0/igo/", "cc-by-nc-3.0-igo"),
        ("CC BY-SA 2.0 UK", "cc-by-sa-2.0-uk"),
        ("(CC) BY 4.0", "cc-by-4.0"),
        ("PDDL-1.0", "pddl-1.0"),
    ],
)
def test_spellings_of_known_licences(text: str, name: str) -> None:
    found = find_licence(text)
    assert found is not None
    assert found.name == name
    assert found.url.startswith("https://")


@pytest.mark.parametrize(
    "text",
    [
        "", "CC BY", "cc", "CC-BY-5.0", "all rights reserved", "for research only", "CC BY 4.0 OR proprietary",
        "not CC BY 4.0", "CC-BY-4.0 with exceptions", "CC-BY-SA-4.0-DE", "https://example.org/licenses/by/4.0/",
        "https://creativecommons.org/licenses/by/4.0/../../evil",
        # signs that no licence's name has may say that it does not hold
        "CC BY 4.0 (非商用)", "не CC BY 4.0", "CC BY 4.0 ?", "public domain?", "CC BY 4.0 ≠", "~CC0", "!CC0", "CC0 *",
        "Attribution 4.0 \u2013 nicht", "https://creativecommons.org/licenses/by/4.0/?x", "CC-BY-4.0\u200b",
        # ports that Creative Commons never wrote
        "CC-BY-2.0-IGO", "CC-BY-2.5-IGO", "CC-BY-3.0-UK", "CC-BY-3.0-JP", "CC-BY-3.0-CA", "CC-BY-2.0-US",
        "CC-BY-2.5-NZ", "CC-BY-1.0-DE", "https://creativecommons.org/licenses/by-nd-nc/2.0/",
        # licences of databases alone
        "ODbL-1.0", "Open Database License", "odc-by-1.0", "https://opendatacommons.org/licenses/odbl/1-0/",
    ],
)  # fmt: skip
def test_anything_else_is_unknown(text: str) -> None:
    assert find_licence(text) is None


@given(st.text(max_size=30))
def test_no_text_breaks_it(text: str) -> None:
    found = find_licence(text)
    assert found is None or found.name


def test_the_licence_of_version_1_keeps_its_own_address() -> None:
    found = find_licence("CC-BY-NC-ND-1.0")
    assert found is not None
    assert found.url == "https://creativecommons.org/licenses/by-nd-nc/1.0/"


def test_each_says_what_it_asks_for() -> None:
    asks = {name: licence.asks for name in ("CC-BY-NC-ND-4.0", "CC0", "CC-BY-SA-4.0")
            if (licence := find_licence(name))}  # fmt: skip
    assert asks == {
        "CC-BY-NC-ND-4.0": "attribution, no commercial use, no derivatives (files are whole and unchanged)",
        "CC0": "nothing (public domain)",
        "CC-BY-SA-4.0": "attribution, share alike",
    }
