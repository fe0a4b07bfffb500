"""The pages of studies and reports: tables, pictures, and what is stale."""

import json
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf
from toy_study import change, import_sections, write


@pytest.fixture
def sections(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    return import_sections(tmp_path, monkeypatch)


def test_a_variant_may_have_seeds_of_its_own(tmp_path: Path, sections: Any) -> None:
    write(tmp_path, {"cheap": [1.0, 1.1, 1.2], "dear": [3.0, 9.0, 9.0]}, [], common=["batch_size=64"])
    study: Any = OmegaConf.to_container(OmegaConf.load(tmp_path / "toy.yaml"))
    study["variants"] |= {
        "cheap": ["budget.kimg=${data_dir}", "+experiment=cheap"],
        "dear": {
            "overrides": ["+experiment=dear", "budget.kimg=1"],
            "seeds": [0],
            "full": ["+experiment=dear", "a=<|>"],
        },
    }
    study |= {"evaluate_with": ["+evaluation/metric=center_patch"], "after": {"dear": [["sample", "--best", "20"]]}}
    (tmp_path / "toy.yaml").write_text(OmegaConf.to_yaml(OmegaConf.create(study)))
    change(tmp_path, "cheap", share_of_full=[0.01] * 3)

    assert "| `fid` | 1.1 ± 0.25 | 3 |" in sections.study_section("toy")
    from report_sections import experiments_section

    (tmp_path / "results" / "toy" / "dear-s0.json").unlink()
    page = experiments_section("toy")
    assert "<code>python -m gan_experiments +experiment=dear 'a=&lt;&#124;&gt;'</code>" in page
    assert "| dear<br>not run yet |" in page
    assert "<code>python -m gan_experiments +experiment=dear batch_size=64 budget.kimg=1 seed=0</code>" in page
    assert "+experiment=cheap batch_size=64 'budget.kimg=${data_dir}' seed=0</code><br>1 min<br>then" in page
    assert "| cheap<br>seeds 0, 1, 2 |" in page
    measuring = "then <code>gan-experiments evaluate RUN +evaluation/metric=center_patch</code>"
    assert page.count(f"{measuring} |") == 1
    assert f"{measuring}<br>then <code>gan-experiments sample RUN --best 20</code> |" in page
    assert "about" not in page, "another batch size has another pace"

    (tmp_path / "results" / "toy" / "cheap-s1.json").unlink()
    assert "| cheap<br>seeds 0, 1, 2: 2 ended |" in experiments_section("toy")

    (tmp_path / "toy.yaml").write_text(OmegaConf.to_yaml(OmegaConf.create({**study, "common": []})))
    assert "<code>python -m gan_experiments +experiment=cheap</code><br>about 2 h |" in experiments_section("toy")


def test_a_study_without_results_says_so(tmp_path: Path, sections: Any) -> None:
    write(tmp_path, {"a": []}, [])
    assert "No run has ended yet" in sections.study_section("toy")
    assert "No run has ended yet" in sections.alarms_section("toy")


def write_curves(directory: Path, values: dict[str, list[float]], steps: dict[str, list[int]]) -> None:
    write(directory, {name: list(of_seeds) for name, of_seeds in values.items()}, [])
    (directory / "toy.yaml").write_text((directory / "toy.yaml").read_text() + "curves: [fid/x]\n")
    for path in (directory / "results" / "toy").glob("*.json"):
        run = json.loads(path.read_text())
        variant, value = path.stem.rpartition("-")[0], run["values"]["fid/x"]["value"]
        run["curves"] = {"fid/x": {"kimg": [10, 20], "generator_steps": steps[variant], "value": [value + 8, value]}}
        path.write_text(json.dumps(run))


def test_curves_are_compared_at_equal_images_and_at_equal_steps(tmp_path: Path, sections: Any) -> None:
    import curve_sections

    values = {"few": [20.0, 20.1, 20.2], "many": [10.0, 10.1, 10.2]}
    write_curves(tmp_path, values, {"few": [50, 100], "many": [100, 200]})

    assert not curve_sections.is_current("toy")
    curve_sections.draw("toy")
    assert curve_sections.is_current("toy")
    page = curve_sections.curves_section("toy")
    assert "| `fid/x` | at 20 kimg | at 100 generator steps | generator steps in all |" in page
    assert "| few | 20.1 ± 0.25 | 20.1 ± 0.25 | 100 |" in page
    assert "| many | 10.1 ± 0.25 | 18.1 ± 0.25 | 200 |" in page
    assert "many differs from few at 5%" in page

    for path in (tmp_path / "results" / "toy").glob("*-s[12].json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"status": "failed"}))
    assert not curve_sections.is_current("toy"), "failed runs are not drawn"
    assert "many cannot be told apart from any other" in curve_sections.curves_section("toy")


def accuracies(test: list[float], training: list[float]) -> dict[str, Any]:
    places = {"kimg": [50, 100], "epoch": [1.0, 2.0], "generator_steps": [0, 0]}
    return {
        "class_head_accuracy/discriminator": {**places, "value": test},
        "class_head_training_accuracy/discriminator": {**places, "value": training},
    }


def test_accuracy_of_the_class_head_is_drawn_over_epochs(tmp_path: Path, sections: Any) -> None:
    import accuracy_sections

    write(tmp_path, {"alone": [1.0, 1.0], "unmeasured": [1.0]}, [])
    assert "No run" in accuracy_sections.accuracy_section("toy")
    change(tmp_path, "alone", curves=[accuracies([0.8, 0.7], [0.8, 0.9]), accuracies([0.8, 0.7], [0.8, 0.9])])

    assert not accuracy_sections.is_current("toy")
    accuracy_sections.draw("toy")
    assert accuracy_sections.is_current("toy")
    page = accuracy_sections.accuracy_section("toy")
    assert "| alone (2 runs) | 0.8 ± 0 | 0.7 ± 0 | 0.9 ± 0 | 0.2 ± 0 |" in page
    assert "unmeasured" not in page


def test_ratios_are_drawn_and_a_new_result_makes_the_picture_stale(tmp_path: Path, sections: Any) -> None:
    import ratio_sections

    write(tmp_path, {"d5_g1": [4.0, 4.0], "threshold": [3.0, None]}, [], quality="fid/x")
    assert "No run" in ratio_sections.ratios_section("toy")
    losses = {
        "discriminator/loss": {"kimg": [30, 60, 90], "value": [9.0, 9.0, 1.0], "last_third": 2.0},
        "generator/loss": {"kimg": [30, 60, 90], "value": [9.0, 9.0, 4.0], "last_third": 8.0},
    }
    change(tmp_path, "d5_g1", curves=[losses] * 2, discriminator_steps=[50] * 2, generator_steps=[10] * 2)
    change(tmp_path, "threshold", curves=[losses], discriminator_steps=[30], generator_steps=[20])
    change(tmp_path, "threshold", command=["python -m gan_experiments schedule=loss_threshold"])

    assert not ratio_sections.is_current("toy")
    ratio_sections.draw("toy")
    assert ratio_sections.is_current("toy")
    page = ratio_sections.ratios_section("toy")
    assert "| d5_g1 (2 runs) | 5 ± 0 | 2 ± 0 | 8 ± 0 | 0.25 ± 0 | 4 ± 0 |" in page
    assert "| threshold (1 run) | 1.5 | 2 | 8 | 0.25 | 3 |" in page

    change(tmp_path, "threshold", discriminator_steps=[40])
    assert not ratio_sections.is_current("toy")


def test_networks_are_shown_once_beside_the_report_s_counts(tmp_path: Path, sections: Any) -> None:
    from report_sections import networks_section

    counts = {"a": {"generator": 30}, "b": {"generator": 31}}
    write(tmp_path, {"a": [1.0], "b": [1.0], "c": [1.0]}, [], counts=counts, counts_are="the report's count")
    assert "No run" not in networks_section("toy")
    layers = [{"name": "layers.0", "layer": "Linear", "output_shape": [2, 7, 7], "parameters": 30}]
    for name in "ab":
        facts = {kind: {"layers": layers, "parameters": 30} for kind in ("generator", "discriminator")}
        (tmp_path / "results" / "toy" / f"{name}-networks.json").write_text(json.dumps(facts))

    page = networks_section("toy")
    assert page.count("| layers.0 | Linear | 2×7×7 | 30 |") == 2
    assert "**a, b**\n\nGenerator: 30 trainable parameters; the report's count: 30, 31, **not the same**." in page
    assert "Discriminator: 30 trainable parameters; the report gives no count." in page
    assert "30 trainable and 30 frozen (the discriminator's), 60 in all" in page


def test_losses_are_listed_by_epochs_of_each_network(tmp_path: Path, sections: Any) -> None:
    from report_sections import epochs_section

    write(tmp_path, {"turns": [1.0, 1.0], "alone": [1.0], "none": []}, [])
    assert "kept none" in epochs_section("toy")
    change(
        tmp_path,
        "turns",
        curves=[{"discriminator/loss": {"epoch_means": [0.5, 0.25]}, "generator/loss": {"epoch_means": [1e-9]}}],
    )
    change(tmp_path, "alone", curves=[{"discriminator/loss": {"epoch_means": [3.0]}}])

    page = epochs_section("toy")
    assert "| epoch | turns<br>D / G | alone<br>D / G |" in page
    assert "| 1 | 0.5 / 1e-09 | 3 /  |" in page
    assert "| 2 | 0.25 /  |  |" in page


def test_pictures_are_those_of_the_first_seed_that_are_there(tmp_path: Path, sections: Any) -> None:
    from report_sections import losses_section, pictures_section

    write(tmp_path, {"a": [1.0, 1.0], "old": [1.0]}, [])
    pictures = {
        "real": "real-1.png",
        "samples": "a-s0.png",
        "losses": "l.png",
        "drawn/best20of400-by_discriminator-seed0": "d.png",
        "samples at 30 kimg": "b.png",
        "inspection/x": "i.png",
        "gone": "g.png",
    }
    change(tmp_path, "a", pictures=[pictures])
    for file in ("real-1.png", "a-s0.png", "l.png", "d.png", "b.png", "i.png", "old-s0.png"):
        (tmp_path / "results" / "toy" / file).touch()

    page = pictures_section("toy")
    assert "| real | samples at the end | the best 20 of 400, by discriminator |\n|---|---|---|\n| ![a: real]" in page
    assert "\n\n| samples at 30 kimg |\n|---|\n" in page
    assert "inspection: x:\n\n![a: inspection: x](results/toy/i.png)" in page
    assert "![old: samples at the end](results/toy/old-s0.png)" in page
    assert "gone" not in page
    assert "l.png" not in page
    assert "![Losses of a](results/toy/l.png)" in losses_section("toy")


def test_check_finds_a_stale_page_and_a_stale_picture(
    tmp_path: Path, sections: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import make_pages

    page = tmp_path / "reports" / "A.md"
    page.parent.mkdir()
    page.write_text(
        "By hand.\n\n<!-- result: study/toy -->\n<!-- end -->\n\n<!-- result: curves/toy -->\n<!-- end -->\n"
    )
    monkeypatch.setattr(make_pages, "DOCS", tmp_path)
    monkeypatch.setattr(make_pages, "PAGES", (page,))
    write_curves(tmp_path, {"few": [20.0, 20.1]}, {"few": [50, 100]})
    change(tmp_path, "few", pictures=[{"samples": "few.png"}])
    (tmp_path / "results" / "toy" / "few.png").touch()

    assert make_pages.main(["--check"]) == 1
    told = capsys.readouterr().err
    assert "A.md is not what docs/results/ gives" in told
    assert "the picture of curves/toy is not what docs/results/ gives" in told
    assert make_pages.main([]) == 0
    assert make_pages.main(["--check"]) == 0
    assert "](../results/toy/curves.png)" in page.read_text()
    assert "](../results/toy/few.png)" in page.read_text()
    assert page.read_text().startswith("By hand.")

    page.write_text(page.read_text().replace("20.05", "19"))
    assert make_pages.main(["--check"]) == 1
    assert "the picture" not in capsys.readouterr().err
