"""Merging: replicas fitted in two places are one fit."""

import shutil

import numpy as np
import pytest

import nnpdf_lite
from nnpdf_lite.errors import InputError
from nnpdf_lite.results.fit_folder import open_folder
from nnpdf_lite.results.merge import merge_folders


@pytest.fixture
def halves(tiny_fit, tmp_path):
    """The tiny fit's replicas 1, 2 in one folder and 3 in another, each named after its folder."""
    for name, dropped in (("here", [3]), ("there", [1, 2])):
        shutil.copytree(tiny_fit, tmp_path / name, symlinks=True)
        shutil.rmtree(tmp_path / name / "postfit", ignore_errors=True)
        for number in dropped:
            shutil.rmtree(tmp_path / name / "nnfit" / f"replica_{number}")
        for file in (tmp_path / name).glob(f"nnfit/replica_*/{tiny_fit.name}.*"):
            file.rename(file.with_name(file.name.replace(tiny_fit.name, name)))
    return tmp_path / "here", tmp_path / "there"


def test_two_halves_are_the_fit_of_one_run(halves, tiny_fit, tmp_path):
    merged = merge_folders(halves, tmp_path / "all")
    assert merged.finished() == [1, 2, 3]
    ours, whole = nnpdf_lite.load_fit(merged.path).all_replicas, nnpdf_lite.load_fit(tiny_fit).all_replicas
    assert np.array_equal(ours.f, whole.f) and ours.records == whole.records
    assert (merged.replica_path(3) / "all.exportgrid").is_file()


def test_a_fit_takes_in_what_it_lacks(halves):
    here, there = halves
    assert merge_folders([here, there], here).finished() == [1, 2, 3]
    assert open_folder(there).finished() == [3]


def test_fits_of_different_runcards_are_not_one(halves, tmp_path):
    here, there = halves
    card = (there / "filter.yml").read_text()
    (there / "filter.yml").write_text(card.replace("mcseed: ", "mcseed: 9"))
    with pytest.raises(InputError, match="made with another runcard than .*mcseed"):
        merge_folders([here, there], tmp_path / "all")
    assert not (tmp_path / "all").exists()


def test_a_replica_with_two_results_is_refused(halves, tmp_path):
    here, there = halves
    shutil.copytree(there / "nnfit" / "replica_3", here / "nnfit" / "replica_3")
    grid = here / "nnfit" / "replica_3" / "there.exportgrid"
    (grid.parent / "there.json").rename(grid.parent / "here.json")
    grid.rename(grid.with_name("here.exportgrid")).write_text("{}")
    with pytest.raises(InputError, match="replica 3 .* differ"):
        merge_folders([here, there], tmp_path / "all")
