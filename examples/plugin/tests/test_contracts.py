"""What a plug-in's author runs: darnet's own contracts."""

from darnet_saltpepper import SaltAndPepper, SwitchingMedian

from darnet.testing import check_degradation, check_expert


def test_the_damage_keeps_the_contract() -> None:
    check_degradation(SaltAndPepper())


def test_the_expert_keeps_the_contract() -> None:
    check_expert(SwitchingMedian())
