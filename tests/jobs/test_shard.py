"""darnet.jobs.shard: parts of a job that need not talk."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from darnet import RestorerSpec, restore_many
from darnet.errors import UsageError
from darnet.jobs import Job, Shard

NAMES = [Path(f"sub/{i:05}.jpg") for i in range(2000)]


@pytest.mark.parametrize("total", [1, 2, 7, 100])
def test_every_picture_is_in_one_part_and_parts_are_about_equal(total):
    parts = [[name for name in NAMES if name in Shard(number, total)] for number in range(total)]
    assert sorted(name for part in parts for name in part) == NAMES
    mean = len(NAMES) / total
    assert all(abs(len(part) - mean) < 5 * mean**0.5 for part in parts)


def test_a_part_is_the_same_in_another_process_with_another_hash_seed():
    code = "from pathlib import Path; from darnet.jobs.shard import Shard; print(Path('sub/00001.jpg') in Shard(0, 2))"
    said = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in "12"
    }  # fmt: skip
    assert said == {f"{NAMES[1] in Shard(0, 2)}\n"}


def test_names_that_are_no_text_have_a_part():
    assert [Path("\udcff.jpg") in Shard(number, 2) for number in (0, 1)].count(True) == 1


@pytest.mark.parametrize("text", ["0/0", "5/4", "4/4", "-1/4", "1", "a/b", "1/4/2", "", "1.5/4", "٣/٤", "0/-1"])
def test_a_part_that_there_is_not_is_refused(text):
    with pytest.raises(UsageError, match=r"`shard=.*i/n"):
        Shard.parse(text)


def test_parts_restore_everything_once_wherever_the_folder_lies(pictures, tiny_system):
    names = [f"{place}/sub/{i}.png" for place in ("in", "elsewhere") for i in range(8)]
    for name in names:
        pictures(name)
    restorer = RestorerSpec(system=str(tiny_system), device="cpu").build()

    def written(folder: str, number: int) -> list[str]:
        job = Job(recursive=True, shard=Shard(number, 3))
        return [Path(done.input).name for done in restore_many(folder, "out-" + folder, restorer, job)]

    parts = [written("in", number) for number in range(3)]
    assert parts == [written("elsewhere", number) for number in range(3)]
    assert sorted(name for part in parts for name in part) == [f"{i}.png" for i in range(8)]
    assert len(list(Path("out-in").rglob("*.png"))) == 8


def test_names_of_outputs_do_not_depend_on_the_part(pictures):
    pictures("in/a.png"), pictures("in/a.jpg")
    whole = {task.name for task in Job().plan(["in"], "out").tasks}
    parts = [Job(shard=Shard(number, 2)).plan(["in"], "out") for number in (0, 1)]
    assert {task.name for part in parts for task in part.tasks} == whole
    assert [len(part.tasks) + part.elsewhere for part in parts] == [2, 2]
