"""The table of runs: filter, order, links, and titles and tags that somebody wrote to break the page."""

from __future__ import annotations

from pathlib import Path

import pytest

from kerasft.run_about import About
from kerasft.runs import RunSummary
from kerasft_app.run_table import ORDERS, chosen_rows, table_html


def run(name: str, score: str = "", state: str = "finished", changed: float = 0, about: About | None = None) -> RunSummary:
    return RunSummary(name, Path(name), state, score, "bert_tiny", "reviews.csv", changed, about or About())


RUNS = [
    run("b", "accuracy 0.700", changed=3),
    run("a", "accuracy 0.900", changed=1, about=About("Zebra", "tried with more rows", ("baseline",))),
    run("lost", state="failed", changed=2),
    run("wiki", "perplexity 1,234.5", changed=5),
    run("poem", "perplexity 31.000", changed=4),
]


@pytest.mark.parametrize(
    ("order", "names"),
    [
        ("Newest first", ["wiki", "poem", "b", "lost", "a"]),
        ("Oldest first", ["a", "lost", "b", "poem", "wiki"]),
        ("Best score first", ["a", "b", "poem", "wiki", "lost"]),  # a perplexity is better when it is low
        ("Name", ["b", "lost", "poem", "wiki", "a"]),  # by its title
        ("State", ["lost", "wiki", "poem", "b", "a"]),
        ("something a browser sent", ["wiki", "poem", "b", "lost", "a"]),
    ],
)
def test_orders(order: str, names: list[str]) -> None:
    assert [row.name for row in chosen_rows(RUNS, "", order)] == names


@pytest.mark.parametrize(
    ("words", "names"),
    [("zebra", ["a"]), ("BASE rows", ["a"]), ("failed", ["lost"]), ("reviews.csv perplexity", ["wiki", "poem"]), ("nothing", [])],
)
def test_a_filter_finds_title_state_score_tags_and_notes(words: str, names: list[str]) -> None:
    assert [row.name for row in chosen_rows(RUNS, words, "Newest first")] == names


def test_every_order_sorts_runs_of_every_kind() -> None:
    for order in ORDERS:
        assert len(chosen_rows(RUNS, "", order)) == len(RUNS)


def test_the_table_says_how_many_and_links_each_run() -> None:
    html = table_html(RUNS, "zebra", "Name", "/runs")
    assert "1 of 5 runs" in html
    assert 'href="?tab=results&amp;run=a"' in html
    assert "<small>a</small>" in html  # the folder's name, which paths and commands have
    assert "1 run," in table_html(RUNS[:1], "", "Name", "/runs")
    assert 'href="?tab=train&amp;run=lost"' in table_html(RUNS, "lost", "Name", "/runs")
    assert "No run matches" in table_html(RUNS, "nothing", "Name", "/runs")
    assert "No runs yet" in table_html([], "", "Name", "/runs")


def test_what_people_write_is_never_markup() -> None:
    evil = "<img src=x onerror=alert(1)>"
    html = table_html([run('x"><b', about=About(evil, evil, (evil,)))], "", "Name", evil)
    assert "<img" not in html
    assert 'x"><b' not in html
