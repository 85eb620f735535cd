"""The command line, as a user meets it."""

import hashlib
import signal
import subprocess
import sys

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from click.testing import CliRunner

from skdistmass.cli.commands import main
from skdistmass.datasets import make_survey
from skdistmass.deploy.pretrained import pretrained_path
from skdistmass.extinction import ExtinctionChoice
from skdistmass.schema.bits import QualityBit
from skdistmass.surveys import read_survey

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a survey and a model trained on it, by the commands themselves."""
    folder = tmp_path_factory.mktemp("cli")
    survey = make_survey(2500, random_state=0)
    survey.write(folder / "stars.fits")
    arguments = ["train", str(folder / "stars.fits"), "-o", str(folder / "model"), "--networks", "1", "--mass", "MASS"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    (folder / "train.txt").write_text(result.output)
    return folder


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def only_line(result):
    """The one line a failed command may print."""
    assert result.exit_code != 0
    lines = [line for line in result.output.splitlines() if line.strip()]
    assert "Traceback" not in result.output
    return lines[-1]


def test_help_names_every_command():
    output = run("--help").output
    for name in ("demo", "train", "predict", "catalog", "posterior", "validate", "export", "info", "layouts"):
        assert name in output


@pytest.mark.parametrize("command", sorted(main.commands))
def test_every_command_explains_itself(command):
    result = run(command, "--help")
    assert result.exit_code == 0
    assert len(result.output) > 100


def test_train_says_what_it_cut_and_how_accurate_it_is(folder):
    output = (folder / "train.txt").read_text()
    assert "removed by cuts" in output
    assert "STAR_BAD" in output
    assert "out-of-fold" in output
    assert "ABS_MAG_FALLBACK" in output


def test_predict_writes_a_catalog_with_units(folder):
    result = run("predict", folder / "model", folder / "stars.fits", "-o", folder / "catalog.fits", "--overwrite")
    assert result.exit_code == 0, result.output
    catalog = Table.read(folder / "catalog.fits")
    assert len(catalog) == 2500
    assert str(catalog["DISTANCE"].unit) == "kpc"
    assert str(catalog["MASS"].unit) == "solMass"
    assert np.isfinite(catalog["DISTANCE"]).sum() > 2000
    assert "2500 rows" in result.output


def test_out_of_fold_values_can_be_turned_off(folder):
    for options, expected in (((), True), (("--refit-values",), False)):
        result = run(
            "predict", folder / "model", folder / "stars.fits", "-o", folder / "c.fits", "--overwrite", *options
        )
        assert result.exit_code == 0, result.output
        assert bool(np.any(Table.read(folder / "c.fits")["OUT_OF_FOLD"])) is expected


def test_info_tells_what_the_model_is(folder):
    output = run("info", folder / "model").output
    assert "skdistmass_version" in output
    assert "MASS" in output


def test_info_tells_what_a_table_is(folder):
    output = run("info", folder / "stars.fits").output
    assert "layout mock" in output
    assert "2500 rows" in output
    assert "AK_TARG" in output
    Table({"teff": [4800.0], "logg": [2.5]}).write(folder / "short.csv")
    assert "mass: lacks M_H, C_FE, N_FE" in run("info", folder / "short.csv").output


def test_layouts_are_listed_and_can_be_given(folder):
    output = run("layouts").output
    assert "apogee-dr17" in output
    assert "galah-dr4" in output
    stars = Table.read(folder / "stars.fits")[:50]
    stars.rename_columns(["TEFF", "LOGG", "FE_H"], ["t_eff", "gravity", "iron"])
    stars.remove_column("M_H")
    stars.write(folder / "mine.fits", overwrite=True)
    (folder / "mine.toml").write_text(
        'name = "mine"\ntitle = "My survey"\nbased_on = "generic"\n'
        '[quantities]\nTEFF = "t_eff"\nLOGG = "gravity"\nFE_H = "iron"\n'
    )
    target = folder / "mine-catalog.fits"
    arguments = ("predict", folder / "model", folder / "mine.fits", "-o", target, "--overwrite")
    assert "LOGG" in only_line(run(*arguments))
    result = run(*arguments, "--layout", folder / "mine.toml")
    assert result.exit_code == 0, result.output
    np.testing.assert_array_equal(np.ma.filled(Table.read(target)["TEFF"], np.nan), as_nan(stars["t_eff"]))


def as_nan(column):
    values = np.asarray(column, dtype=float)
    return np.where(values < -999, np.nan, values)


def test_masses_are_joined(folder):
    """Masses in a table of their own, keyed by a number that a third table connects with APOGEE_ID."""
    stars = Table.read(folder / "stars.fits")[:1200]
    number = 1 + np.unique(stars["APOGEE_ID"], return_inverse=True)[1]
    bare = stars[[name for name in stars.colnames if not name.startswith(("MASS", "TRUE"))]]
    bare.write(folder / "bare.fits", overwrite=True)
    first = np.unique(number, return_index=True)[1]
    Table({"KIC": number[first], "MASS": stars["MASS"][first], "MASS_ERR": stars["MASS_ERR"][first]}).write(
        folder / "masses.csv", overwrite=True
    )
    Table({"KIC": number[first], "2MASS_ID": [name[2:] for name in stars["APOGEE_ID"][first]]}).write(
        folder / "names.csv", overwrite=True
    )
    arguments = ["train", folder / "bare.fits", "-o", folder / "joined", "--networks", "1", "--overwrite"]
    result = run(*arguments, "--join", folder / "masses.csv", "--join", folder / "names.csv")
    assert result.exit_code == 0, result.output
    assert "matched by KIC" in result.output
    assert "matched by 2MASS" in result.output
    assert "\nMASS " in result.output
    alone = run(*arguments, "--join", folder / "masses.csv")
    assert "they share no identifier" in only_line(alone)
    without = run(*arguments)
    assert without.exit_code == 0, without.output
    assert "no mass: no masses to train on" in without.output
    # That model has distances alone; so do its graph, its catalogue, and what is said of them.
    assert run("export", folder / "joined", "-o", folder / "joined.onnx").exit_code == 0
    told = run("info", folder / "joined.onnx").output
    assert "description: distance of stars" in told
    assert "mass no masses to train on" in told
    for model in ("joined", "joined.onnx"):
        result = run("catalog", folder / "bare.fits", "--model", folder / model, "-o", folder / f"{model}.fits")
        assert result.exit_code == 0, result.output
        names = Table.read(folder / f"{model}.fits").colnames
        assert "DISTANCE_LO95" in names
        assert not {"MASS", "AGE", "MASS_LO", "AGE_HI"} & set(names)


def test_distilled_export_is_smaller_and_says_so(folder, tmp_path):
    pytest.importorskip("skl2onnx")
    for name, options in (("plain", ()), ("small", ("--distill",))):
        result = run("export", folder / "model", "-o", tmp_path / f"{name}.onnx", *options)
        assert result.exit_code == 0, result.output
    assert (tmp_path / "small.onnx").stat().st_size != (tmp_path / "plain.onnx").stat().st_size
    assert "of 10 and 10 neurons; the accuracy is that of the networks before" in run(
        "info", tmp_path / "small.onnx"
    ).output.replace("\n", " ")


def test_export_is_the_model(folder):
    pytest.importorskip("skl2onnx")
    result = run("export", folder / "model", "-o", folder / "model.onnx", "--input-errors")
    assert result.exit_code == 0, result.output
    for name in ("model", "model.onnx"):
        target = folder / f"{name}-c.fits"
        result = run("predict", folder / name, folder / "stars.fits", "-o", target, "--refit-values")
        assert result.exit_code == 0, result.output
    one, other = (Table.read(folder / f"{name}-c.fits") for name in ("model", "model.onnx"))
    for column in ("DISTANCE", "DISTANCE_ERR", "MASS", "AGE"):
        a, b = (np.ma.filled(table[column], np.nan) for table in (one, other))
        np.testing.assert_allclose(a, b, rtol=1e-9, equal_nan=True)
    assert "is not a model" in only_line(run("export", folder / "stars.fits", "-o", folder / "x.onnx"))


def test_published_layout(folder):
    arguments = ("catalog", folder / "stars.fits", "--model", folder / "model", "--overwrite")
    assert run(*arguments, "-o", folder / "own.fits").exit_code == 0
    result = run(*arguments, "-o", folder / "published.fits", "--as", "distmass")
    assert result.exit_code == 0, result.output
    own, published = (Table.read(folder / f"{name}.fits") for name in ("own", "published"))
    assert str(published["DISTANCE"].unit) == "pc"
    assert published["AGE_ERR"].shape == (2500, 2)
    for name, column in (("DISTANCE", own["DISTANCE"] * 1000), ("AGE", 10.0 ** own["AGE"])):
        np.testing.assert_allclose(
            np.ma.filled(published[name], np.nan), np.ma.filled(column, np.nan), rtol=1e-12, equal_nan=True
        )
    result = run("validate", folder / "published.fits", "--reference", folder / "stars.fits", "-o", folder / "p.html")
    assert result.exit_code == 0, result.output
    assert "FITS" in only_line(run(*arguments, "-o", folder / "published.vot", "--as", "distmass"))


@pytest.mark.parametrize("output", ["stars.fits", "/dev/full"])
def test_outputs_that_can_not_be_written_are_refused_before_the_work(folder, output):
    """An input, or no ordinary file: training would be lost."""
    target = folder / output
    result = run("train", folder / "stars.fits", "-o", target, "--overwrite", "--networks", "1")
    assert only_line(result).startswith("Error: ")
    assert len(Table.read(folder / "stars.fits")) == 2500


def test_catalog_and_its_validation(folder):
    result = run("catalog", folder / "stars.fits", "-o", folder / "survey.fits", "--model", folder / "model")
    assert result.exit_code == 0, result.output
    assert "further spectra of a star" in result.output
    arguments = ("validate", folder / "survey.fits", "--reference", folder / "stars.fits", "-o", folder / "report.html")
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    assert "<html" in (folder / "report.html").read_text()


def test_shipped_model_makes_the_catalogue_by_default(folder):
    result = run("catalog", folder / "stars.fits", "-o", folder / "shipped.fits")
    assert result.exit_code == 0, result.output
    catalog, stars = Table.read(folder / "shipped.fits"), read_survey(folder / "stars.fits")
    assert catalog.meta["MODEL"] == "apogee"
    digest = hashlib.sha256(pretrained_path("apogee").read_bytes()).hexdigest()
    assert catalog.meta["MODELSHA"] == digest
    np.testing.assert_array_equal(np.ma.filled(catalog["TEFF"], np.nan), stars["TEFF"])
    assert np.isfinite(catalog["DISTANCE"]).sum() > 2000


def test_choice_of_extinction_goes_from_the_options_into_the_catalogue(folder):
    stars = Table.read(folder / "stars.fits")
    # Bluer than stars are: RJCE gives negative extinctions.
    stars["H"] = np.where(stars["H"] < 90, stars["H"] - 0.15, stars["H"])
    stars.write(folder / "blue.fits", overwrite=True)
    catalogs = {}
    for negative, limit in (("zero", 16), ("keep", 16), ("missing", 16), ("zero", 0)):
        options = ("--negative-extinction", negative, "--latitude-limit", limit, "--overwrite", "--quiet")
        result = run("catalog", folder / "blue.fits", "-o", folder / "c.fits", "--model", folder / "model", *options)
        assert result.exit_code == 0, result.output
        assert result.stdout == ""  # on the error output it may say that distances are off, as they are
        catalogs[negative, limit] = Table.read(folder / "c.fits")
    kept = np.ma.filled(catalogs["keep", 16]["EXTINCTION"], np.nan)
    negative = kept < 0
    assert 100 < negative.sum() < 2400
    assert (catalogs["zero", 16]["EXTINCTION"][negative] == 0).all()
    assert np.isnan(np.ma.filled(catalogs["missing", 16]["EXTINCTION"], np.nan)[negative]).all()
    for choice in ("zero", "keep", "missing"):
        assert catalogs[choice, 16].meta["AKNEG"] == choice
        assert ((catalogs[choice, 16]["FLAGS"] & int(QualityBit.EXTINCTION_NEGATIVE) != 0) == negative).all()
    assert "RJCE_WISE" in np.asarray(catalogs["zero", 16]["EXTINCTION_METHOD"]).astype(str)
    methods = np.asarray(catalogs["zero", 0]["EXTINCTION_METHOD"]).astype(str)
    assert not np.char.startswith(methods[stars["SFD_EBV"] > -1], "RJCE").any()


def test_stars_that_bring_no_extinction(folder):
    """Their colour gives one, and an assumed value the rest; every command that needs it can be told so."""
    stars = Table.read(folder / "stars.fits")[:300]
    stars.remove_columns(
        [
            n
            for n in ("A_K", "A_K_SRC", "AK_TARG", "AK_WISE", "SFD_EBV", "IRAC_4_5", "WISE_4_5", "EBV")
            if n in stars.colnames
        ]
    )
    stars["J"][:100] = 99.99
    stars["H"][:100] = 99.99
    stars.write(folder / "bare.fits", overwrite=True)
    for command in (("predict", folder / "model", folder / "bare.fits"), ("catalog", folder / "bare.fits")):
        more = () if command[0] == "predict" else ("--model", folder / "model")
        methods = []
        for options in ((), ("--assume-extinction", "0.1")):
            result = run(*command, "-o", folder / "c.fits", *more, *options, "--overwrite", "--quiet")
            assert result.exit_code == 0, result.output
            catalog = Table.read(folder / "c.fits")
            method = np.char.strip(np.asarray(catalog["EXTINCTION_METHOD"]).astype(str))
            known = np.isfinite(np.ma.filled(catalog["EXTINCTION"], np.nan))
            assert (known == (method != "")).all()
            methods.append(set(method[:100]) | set(method[100:][known[100:]]))
        assert methods == [{"", "COLOUR"}, {"ASSUMED", "COLOUR"}]
        assert catalog.meta["AKASSUME"] == "0.1"
        assert "Bressan" in catalog.meta["AKCOLOUR"]
        assert np.all(catalog["EXTINCTION_ERR"][method == "ASSUMED"] == 0.1)
    options = ("--assume-extinction", "0.1", "--cluster-distances", "modern", "--overwrite", "--quiet")
    result = run("validate", folder / "c.fits", "--reference", folder / "bare.fits", "-o", folder / "r.html", *options)
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("command", ["predict", "catalog", "train"])
def test_dust_map_without_its_package(folder, monkeypatch, command):
    monkeypatch.setitem(sys.modules, "dustmaps", None)
    inputs = {"predict": (folder / "model", folder / "stars.fits")}.get(command, (folder / "stars.fits",))
    result = run(command, *inputs, "-o", folder / "x.fits", "--dust-map", "sfd")
    assert result.exit_code == 1
    assert "pip install 'skdistmass[dust]'" in only_line(result)


@pytest.mark.parametrize("option", [("--latitude-limit", "91"), ("--negative-extinction", "drop")])
def test_senseless_choices_of_extinction_are_refused(folder, option):
    for arguments in (("catalog", folder / "stars.fits"), ("train", folder / "stars.fits")):
        result = run(*arguments, "-o", folder / "x", *option)
        assert result.exit_code == 2
        assert option[0] in only_line(result)


def test_training_uses_the_extinction_of_the_catalogue(folder, monkeypatch):
    from skdistmass.model.distmass import DistMassModel

    def look(self, stars, **kwargs):
        seen.append(stars)
        raise KeyboardInterrupt

    assert "extinction by RJCE_WISE" in (folder / "train.txt").read_text()
    monkeypatch.setattr(DistMassModel, "fit", look)
    for limit in (16, 90):
        seen = []
        run("train", folder / "stars.fits", "-o", folder / "x", "--latitude-limit", limit)
        expected = ExtinctionChoice(latitude_limit=limit).choose(read_survey(folder / "stars.fits"))
        np.testing.assert_array_equal(seen[0]["A_K"], expected.values)
        assert (seen[0]["A_K_SRC"] == expected.method).all()
        assert ("RJCE_WISE" in expected.method[np.abs(seen[0]["GLAT"]) > 16]) == (limit == 90)


def test_repeated_spectra_are_told(folder):
    stars = Table.read(folder / "stars.fits")
    stars["APSTAR_ID"][5:8] = stars["APSTAR_ID"][4]
    stars.write(folder / "repeated.fits", overwrite=True)
    result = run("catalog", folder / "repeated.fits", "-o", folder / "c.fits", "--overwrite")
    assert result.exit_code == 0, result.output
    n_stars = len(np.unique(np.asarray(stars["APOGEE_ID"])))
    assert f"2500 rows, {2500 - n_stars} of them further spectra of a star" in result.output
    assert "3 rows repeat a spectrum" in result.output


SLOW = """
import sys, time
from skdistmass.catalog.part_file import PartFile
from skdistmass.cli.commands import main

add = PartFile.append


def slow(self, records):
    add(self, records)
    print("added", flush=True)
    time.sleep(1)


PartFile.append = slow
main(sys.argv[1:])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGINT to another process is a matter of Unix")
def test_control_c_keeps_the_part_and_says_how_to_go_on(folder, tmp_path):
    """A real process, a real signal while rows are being written, and --resume afterwards."""
    target = tmp_path / "c.fits"
    arguments = ["catalog", str(folder / "stars.fits"), "-o", str(target), "--model", str(folder / "model")]
    arguments += ["--chunk-rows", "500"]
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # tests in the background ignore it
    )
    assert process.stdout.readline() == "added\n"
    process.send_signal(signal.SIGINT)
    errors = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert errors.splitlines()[-1].startswith(f"Interrupted. {target}.part is kept")
    assert "--resume" in errors.splitlines()[-1]
    assert "Traceback" not in errors
    assert not target.exists()
    result = run(*arguments, "--resume")
    assert result.exit_code == 0, result.output
    assert run(*arguments[:3], tmp_path / "whole.fits", *arguments[4:]).exit_code == 0
    np.testing.assert_array_equal(fits.getdata(target).tobytes(), fits.getdata(tmp_path / "whole.fits").tobytes())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c.fits", "whole.fits"]


def test_prediction_can_be_resumed_too(folder, tmp_path, monkeypatch):
    from skdistmass.catalog.part_file import PartFile

    def interrupt(self, counts):
        raise KeyboardInterrupt

    arguments = ("predict", folder / "model", folder / "stars.fits", "-o", tmp_path / "c.fits")
    with monkeypatch.context() as patch:
        patch.setattr(PartFile, "complete", interrupt)
        result = run(*arguments)
    assert result.exit_code == 130
    assert "--resume" in only_line(result)
    assert "--resume" in only_line(run(*arguments))
    assert run(*arguments, "--resume").exit_code == 0
    assert len(Table.read(tmp_path / "c.fits")) == 2500


def test_an_existing_output_is_not_replaced(folder):
    before = (folder / "model").read_bytes()
    assert "--overwrite" in only_line(run("train", folder / "stars.fits", "-o", folder / "model"))
    assert (folder / "model").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("train", "absent.fits", "-o", "{}/x"), "absent.fits"),
        (("train", "{}/stars.fits", "-o", "{}/no/such/folder/x"), "no such folder"),
        (("train", "{}/model", "-o", "{}/x"), "model"),
        (("train", "{}/stars.fits", "-o", "{}/x", "--mass", "WEIGHT"), "WEIGHT"),
        (("train", "{}/stars.fits", "-o", "{}/x", "--max-extinction", "-1"), "A_K > -1"),
        (("predict", "{}/stars.fits", "{}/stars.fits", "-o", "{}/x.fits"), "stars.fits"),
        (("predict", "no-such-model", "{}/stars.fits", "-o", "{}/x.fits"), "no-such-model"),
        (("predict", "{}/model", "{}/train.txt", "-o", "{}/x.fits"), "train.txt"),
        (("info", "{}/train.txt"), "train.txt"),
    ],
)
def test_mistakes_end_in_one_line(folder, arguments, words):
    result = run(*(argument.format(folder) for argument in arguments))
    assert words in only_line(result)
    assert result.exit_code == 1
    assert not (folder / "x").exists()


@pytest.mark.parametrize("threshold", ["high", "2"])
def test_a_senseless_threshold_is_refused(folder, threshold):
    result = run("train", folder / "stars.fits", "-o", folder / "x", "--binary-threshold", threshold)
    assert result.exit_code != 0
    assert "threshold" in result.output.lower()


def test_interrupting_leaves_nothing_behind(folder, monkeypatch):
    from skdistmass.model.distmass import DistMassModel

    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(DistMassModel, "fit", interrupted)
    result = run("train", folder / "stars.fits", "-o", folder / "y")
    assert result.exit_code == 130
    assert not (folder / "y").exists()


def test_demo_draws_and_writes(tmp_path):
    result = run("demo", "--out", tmp_path / "demo", "--stars", 2000)
    assert result.exit_code == 0, result.output
    assert "scatter" in result.output
    names = {path.name for path in (tmp_path / "demo").iterdir()}
    assert names == {"survey.fits", "demo.model", "catalog.fits", "kiel.png", "truth.png"}


def test_predict_uses_the_shipped_model_by_default(folder, tmp_path):
    one = run("predict", folder / "stars.fits", "-o", tmp_path / "one.fits")
    other = run("predict", "apogee", folder / "stars.fits", "-o", tmp_path / "other.fits")
    assert (one.exit_code, other.exit_code) == (0, 0), one.output + other.output
    found, named = (Table.read(tmp_path / f"{name}.fits") for name in ("one", "other"))
    np.testing.assert_array_equal(np.asarray(found["DISTANCE"]), np.asarray(named["DISTANCE"]))
    result = run("predict", "apogee", folder / "stars.fits", "more.fits", "-o", tmp_path / "c.fits")
    assert result.exit_code == 2
    assert "one table" in result.output


def test_recipe_for_the_whole_diagram(folder, tmp_path):
    Table.read(folder / "stars.fits")[:1200].write(tmp_path / "few.fits")
    arguments = ("train", tmp_path / "few.fits", "-o", tmp_path / "m", "--recipe", "whole", "--networks", "1")
    arguments += ("--mass", "MASS", "--mass-fallback")
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    assert "dwarfs and subgiants" in result.output
    assert "MASS without C, N" in result.output
    result = run(*arguments, "--overwrite", "--binary-threshold", "0.2")
    assert "own binary filter" in result.output


@pytest.mark.parametrize("ending", [".fits", ".vot", ".parquet", ".ecsv"])
def test_posterior_of_a_survey(folder, tmp_path, ending):
    output = tmp_path / f"posterior{ending}"
    arguments = ("posterior", folder / "model", folder / "stars.fits", "-o", output, "--samples", 50, "--parallax")
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    table = Table.read(output, format={".vot": "votable", ".ecsv": "ascii.ecsv"}.get(ending))
    assert len(table) == len(Table.read(folder / "stars.fits"))
    assert {"APOGEE_ID", "DISTANCE_MEDIAN", "MASS_P16", "AGE_MODE", "AGE_BY_PRIOR"} <= set(table.colnames)
    assert np.nanmax(table["AGE_P98"]) <= np.log10(13.8e9) + 1e-9
    assert "exists" in only_line(run(*arguments))


def test_posterior_with_alpha_elements_and_mass_loss(folder, tmp_path):
    arguments = ("posterior", folder / "model", folder / "stars.fits", "--samples", 20, "--no-age-limit")
    further = ("--alpha", "mean", "--mass-loss", "0.3", "--states", folder / "stars.fits")
    for name, more in (("plain", ()), ("more", further)):
        result = run(*arguments, "-o", tmp_path / f"{name}.parquet", *more)
        assert result.exit_code == 0, result.output
    plain, found = (Table.read(tmp_path / f"{name}.parquet") for name in ("plain", "more"))
    # Where a draw has a mass that no star has, another takes its place, by a random number.
    same = np.isclose(plain["DISTANCE_P84"], found["DISTANCE_P84"], rtol=0, atol=0, equal_nan=True)
    assert np.mean(same) > 0.98
    assert not np.array_equal(plain["AGE_MEDIAN"], found["AGE_MEDIAN"], equal_nan=True)
    line = only_line(run(*arguments, "-o", tmp_path / "p.fits", "--states", folder / "stars.fits"))
    assert "--mass-loss" in line
    line = only_line(run(*arguments, "-o", tmp_path / "p.fits", "--isochrones", tmp_path / "none.dat"))
    assert "none.dat" in line


def test_posterior_needs_quantiles_of_a_graph_and_a_known_format(folder, tmp_path):
    for name, options in (("plain", ()), ("whole", ("--quantiles",))):
        assert run("export", folder / "model", "-o", tmp_path / f"{name}.onnx", *options).exit_code == 0
    arguments = (folder / "stars.fits", "-o", tmp_path / "p.fits", "--samples", 20)
    assert "--quantiles" in only_line(run("posterior", tmp_path / "plain.onnx", *arguments))
    result = run("posterior", tmp_path / "whole.onnx", *arguments)
    assert result.exit_code == 0, result.output
    line = only_line(run("posterior", folder / "model", folder / "stars.fits", "-o", tmp_path / "p.txt"))
    assert ".parquet" in line


def test_catalog_with_posteriors(folder, tmp_path):
    arguments = ("catalog", folder / "stars.fits", "-o", tmp_path / "c.fits", "--model", folder / "model")
    assert "need --posterior" in run(*arguments, "--posterior-draws", 50).output
    result = run(*arguments, "--posterior", "draws", "--posterior-draws", 30, "--posterior-seed", 4)
    assert result.exit_code == 0, result.output
    table = Table.read(tmp_path / "c.fits")
    assert table["POST_MASS_DRAWS"].shape == (len(table), 30)
    assert table.meta["POSTSEED"] == 4
