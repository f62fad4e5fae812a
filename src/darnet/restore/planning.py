"""What is repaired, in which order and where: from what is wrong with a picture to a plan, revised after each step."""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from darnet.degradations import find_kind, is_local
from darnet.degradations.kind import STAGES
from darnet.restore.diagnosis import ABSENT, PART, PRESENT, Diagnosis
from darnet.restore.result import Plan, Repair

#: From this presence on, a kind that is not repaired is worth a word, where a system has no other (`min_hints`), and
#: one more look at what a step made of the picture.
SUSPICION = 0.2
#: Odds by two looks together (`joint_odds`) from which on a kind counts. By 34 validation photos a condition, after the
#: first step: low light is found 75 of 101 times where it is, and none of 315 where it is not; haze 22 of 37, 0 of 379.
BOTH = 2.0
#: By how much the odds that a soft kind is there exceed those of its confidence, once it is repaired: few clean photos
#: reach its bar (docs/adr/0052). Where a photo was dark, all of the repair is right, however sure the look.
LIKELIER = 4.0
#: Nothing is more certain than this less than 1.
SMALLEST = 1e-6
#: Why a kind of damage should not be repaired, where something speaks against it (`Subject.refuses`); what suggests one
#: (`Subject.suggests`).
Objects = Callable[[str], str | None]


def _unopposed(kind: str) -> None:
    """Nothing speaks against it, or for it."""


@dataclass(frozen=True)
class Planner:
    """Turns a diagnosis into a plan: in `order`, or the way of a photo backwards, what befell it last first.

    Two numbers of a kind are told apart, both in [0, 1]. Its presence is what one look says (`Diagnosis.scores`). The
    confidence of a repair is what all looks say together: after the first look that look's presence, and after another
    repair what the first look and the last one come to (`joint_odds`).

    A kind is repaired that an expert serves and whose presence is at least what `min_confidences` says of it, or
    `min_confidence`: one below 0.5 repairs what is called clean, too. Kinds that `order` does not name come before
    those that it does. Where two kinds befall a photo at the same stage, the more certain is repaired first.
    `max_steps`: only so many, the most certain ones; None: all of them. `limited_by`: who says so, where that is not
    whoever asks: `system daair`. `soft`: kinds whose repair counts by its `weight`: the picture and what its expert
    makes of it are blended. `min_beside`: the least presence of a kind where that of another one is larger: some look
    like what others leave. `min_hints`: the presence from which on a kind that is left alone is worth a word.

    >>> planner = Planner({"noise", "haze", "jpeg"})
    >>> found = Diagnosis({"clean": 0.1, "noise": 0.8, "haze": 0.9, "jpeg": 0.7, "rain": 0.3})
    >>> [repair.kind for repair in planner.plan(found)]
    ['jpeg', 'noise', 'haze']
    >>> found = Diagnosis({"clean": 0.2, "noise": 0.0, "haze": 0.4, "rain": 0.8})
    >>> [repair.kind for repair in planner.revise(found, found, ["jpeg"])]
    []
    """

    experts: Container[str]
    min_confidence: float = 0.6
    min_confidences: Mapping[str, float] = field(default_factory=dict)
    max_steps: int | None = None
    soft: Collection[str] = ()
    min_beside: Mapping[str, float] = field(default_factory=dict)
    order: Sequence[str] = ()
    limited_by: str = ""
    min_hints: Mapping[str, float] = field(default_factory=dict)

    def plan(self, diagnosis: Diagnosis, objects: Objects = _unopposed) -> Plan:
        """What is to be repaired of a picture that nobody has touched."""
        return self._in_order(diagnosis, self._wanted(diagnosis, objects))

    def revise(
        self, first: Diagnosis, diagnosis: Diagnosis, treated: Collection[str], objects: Objects = _unopposed
    ) -> Plan:
        """What is left to be repaired, from another look after some kinds were `treated`.

        A kind has to be sure by the `first` look and this one together (`BOTH`), planned or not: damage looks like
        other damage, and what an expert leaves looks soft. Where a kind may be repaired that is less likely there than
        not, it need not be as sure, as each look need not be.
        """
        odds = {kind: joint_odds(kind, first, diagnosis) for kind in diagnosis.suspected}
        certain = {kind for kind in diagnosis.suspected if diagnosis.scores[kind] >= self._least_beside(kind)}
        certain |= {kind for kind in first.suspected if first.scores[kind] >= self._needed(kind, first)}
        both = {kind: BOTH * min(1.0, _odds(self._needed(kind, first))) ** 2 for kind in odds}
        sure = [kind for kind in odds if odds[kind] >= both[kind] and kind in certain and self._may(kind, objects)]
        sure.sort(key=lambda kind: -odds[kind])
        repairs = self._in_order(diagnosis, sure, treated)
        return tuple(replace(one, confidence=odds[one.kind] / (1 + odds[one.kind])) for one in repairs)

    def refusals(
        self,
        diagnosis: Diagnosis,
        treated: Collection[str] = (),
        objects: Objects = _unopposed,
        plan: Plan = (),
        first: Diagnosis | None = None,
        parts: Container[str] = (),
    ) -> dict[str, str]:
        """Why kinds that are found are not repaired: those that were not `treated`, and are not in the plan.

        `first`: the look before anything was treated; of what was not found then nothing is said, since what
        an expert leaves looks soft, but of what was, and may be still. `parts`: kinds that were treated in a part
        alone: no hint names them, since whoever names a kind has it repaired everywhere.
        """
        settled = {*treated, *(repair.kind for repair in plan)}
        found = self._found(diagnosis)
        reasons = {kind: self._refusal(kind, diagnosis, objects) for kind in found if kind not in settled}
        if treated and first is not None:
            before = self._found(first)
            reasons = {kind: reason for kind, reason in reasons.items() if kind in before}
            left = [kind for kind in diagnosis.suspected if kind in before and kind not in settled]
            doubtful = [kind for kind in left if diagnosis.scores[kind] >= SUSPICION]
            repaired, everywhere = ", ".join(treated), [kind for kind in treated if kind not in parts]
            for kind in (kind for kind in doubtful if self._may(kind, objects)):
                looks = f"{_percent(first, kind)} at first, {_percent(diagnosis, kind)} after {repaired}"
                reasons[kind] = f"{kind} not repaired: {looks}; try `kinds={[*everywhere, kind]}`"
        wanted = [kind for kind in self._wanted(diagnosis, objects) if kind not in treated]
        beyond = [] if self.max_steps is None else wanted[max(0, self.max_steps - len(treated)) :]
        limited = {kind: f"{kind} not repaired: {self._limit}" for kind in beyond}
        return {kind: reason for kind, reason in (*reasons.items(), *limited.items()) if reason}

    def hints(
        self,
        diagnosis: Diagnosis,
        treated: Collection[str] = (),
        objects: Objects = _unopposed,
        suggests: Objects = _unopposed,
    ) -> list[str]:
        """What to try with a picture that is left alone and may not be clean: by the diagnosis, or by a sign."""
        hints = list[str]()
        settled = {*treated, *self._found(diagnosis)}
        for kind in (kind for kind in diagnosis.suspected if kind not in settled and self._may(kind, objects)):
            likely = diagnosis.scores[kind] >= self.min_hints.get(kind, SUSPICION)
            if words := f"{diagnosis.describe(kind)} is possible" if likely else suggests(kind):
                hints.append(f"not called damaged, but {words}; try `kinds={[kind]}`")
        return hints

    def least(self, kind: str) -> float:
        """Which presence a kind has to have."""
        return self.min_confidences.get(kind, self.min_confidence)

    def weight(self, repair: Repair) -> float:
        """How much of what an expert changes is taken: of a soft kind, as likely as it is among photos that get so far.

        >>> planner = Planner({"lowlight"}, soft=["lowlight"])
        >>> planner.weight(Repair("lowlight", 0.5, None)), planner.weight(Repair("lowlight", 1.0, None))
        (0.8, 1.0)
        """
        if repair.kind not in self.soft or repair.confidence >= 1:
            return 1.0
        odds = LIKELIER * _odds(repair.confidence)
        return odds / (1 + odds)

    def done(self, treated: Collection[str]) -> bool:
        """Whether there is no step left."""
        return self.max_steps is not None and len(treated) >= self.max_steps

    def ordered(self, kinds: Iterable[str]) -> list[str]:
        """Kinds as they are repaired one after the other; those that nothing tells apart stay as they came.

        >>> Planner((), order=["noise", "jpeg"]).ordered(["haze", "jpeg", "noise"])
        ['haze', 'noise', 'jpeg']
        """
        places = {kind: place for place, kind in enumerate(self.order, start=1)}
        return sorted(kinds, key=lambda kind: places.get(kind, _backwards(kind)))

    def share(self, diagnosis: Diagnosis, kind: str) -> float:
        """Of what was looked at that has a kind, as its crops tell; 1 for what befalls whole pictures."""
        seen = [crop.presence.get(kind, 0.0) for crop in diagnosis.crops]
        if not is_local(kind) or sum(there < ABSENT for there in seen) < PART * max(len(seen), 1):
            return 1.0
        share = sum(there > PRESENT for there in seen) / len(seen)
        nowhere = share == 0 and self.least(kind) < PRESENT
        return 1.0 if nowhere else share  # who wants it repaired although it is not likely says of no part where

    @property
    def _limit(self) -> str:
        """Why there are no more steps."""
        if not self.limited_by:
            return f"`max_steps={self.max_steps}`"
        return f"{self.limited_by} repairs {self.max_steps} at most; `max_steps` sets another limit"

    def _found(self, diagnosis: Diagnosis) -> list[str]:
        """What is present, or certain enough to be repaired although it is not, the most certain first."""
        return [
            kind
            for kind in diagnosis.suspected
            if kind in diagnosis.present or diagnosis.scores[kind] >= self._needed(kind, diagnosis)
        ]

    def _wanted(self, diagnosis: Diagnosis, objects: Objects) -> list[str]:
        """What is sure and may be repaired, the most certain first."""
        sure = [kind for kind in diagnosis.suspected if diagnosis.scores[kind] >= self._needed(kind, diagnosis)]
        return [kind for kind in sure if self._may(kind, objects)]

    def _needed(self, kind: str, diagnosis: Diagnosis) -> float:
        """Which presence a kind has to have in a picture."""
        return self.least(kind) if kind == diagnosis.suspected[0] else self._least_beside(kind)

    def _least_beside(self, kind: str) -> float:
        return max(self.least(kind), self.min_beside.get(kind, 0.0))

    def _may(self, kind: str, objects: Objects) -> bool:
        return kind in self.experts and objects(kind) is None

    def _refusal(self, kind: str, diagnosis: Diagnosis, objects: Objects) -> str | None:
        if kind not in self.experts:
            return f"left alone: there is no expert for {kind}"
        if (objection := objects(kind)) is not None:
            return objection
        presence = diagnosis.scores[kind]
        least = self._needed(kind, diagnosis)
        if presence >= least:
            return None
        digits = _telling_apart(presence, least)
        short = f"below the least confidence of {100 * least:.{digits}f} %"
        return f"left alone: {diagnosis.describe(kind, digits)} is {short}; try `kinds={[kind]}`"

    def _in_order(self, diagnosis: Diagnosis, kinds: Iterable[str], treated: Collection[str] = ()) -> Plan:
        """Repairs of kinds that come with the most certain first."""
        left = [kind for kind in kinds if kind not in treated]
        if self.max_steps is not None:
            left = left[: max(0, self.max_steps - len(treated))]
        return tuple(
            Repair(kind, diagnosis.scores[kind], diagnosis.severities.get(kind), self.share(diagnosis, kind))
            for kind in self.ordered(left)
        )


def joint_odds(kind: str, first: Diagnosis, last: Diagnosis) -> float:
    """The odds that a kind is there by two looks together, the product of those of each.

    >>> looks = Diagnosis({"haze": 0.8}), Diagnosis({"haze": 0.5})
    >>> round(joint_odds("haze", *looks), 6)
    4.0
    """
    return _odds(first.scores.get(kind, 0.0)) * _odds(last.scores[kind])


def suspects(diagnosis: Diagnosis, besides: Sequence[str]) -> bool:
    """Whether anything may be there besides some kinds: then a picture is looked at again when these are repaired."""
    return any(diagnosis.scores[kind] >= SUSPICION for kind in diagnosis.suspected if kind not in besides)


def _percent(diagnosis: Diagnosis, kind: str) -> str:
    return f"{100 * diagnosis.scores.get(kind, 0.0):.0f} %"


def _odds(presence: float) -> float:
    return presence / max(1 - presence, SMALLEST)


def _backwards(kind: str) -> int:
    """When a kind is repaired: what befell the photo last comes first, and before all what nobody knows more of."""
    known = find_kind(kind)
    return -STAGES.index(known.stage) if known and known.stage else -len(STAGES)


def _telling_apart(presence: float, least: float) -> int:
    """How many digits two percentages need so that they do not look the same."""
    return next((digits for digits in range(9) if f"{100 * presence:.{digits}f}" != f"{100 * least:.{digits}f}"), 9)
